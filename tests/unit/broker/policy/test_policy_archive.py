"""Versions of policies: signed, numbered without a gap, never older than what is known."""

from types import SimpleNamespace

import pytest

from jupyter_secure.broker.keys.signing import Signer, Verifier, open_envelope, seal_envelope
from jupyter_secure.broker.policy.archive import PolicyArchive
from jupyter_secure.broker.store.policy_rows import PolicyRows
from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import ConflictError, IntegrityError, PolicyError

ONE = "[dataset.x]\n"
TWO = '[dataset.x]\n[[rule]]\nid = "a"\nto = ["everyone"]\ndatasets = ["x"]\nview = "raw"\n'


class Keys:
    def __init__(self):
        self.signer = Signer(Signer.new_seed())

    def sign(self, payload_type, payload):
        return seal_envelope(self.signer, payload_type, payload)

    def verify(self, payload_type, envelope):
        return open_envelope(Verifier(self.signer.public), payload_type, envelope)


@pytest.fixture
def engine(store_engine):
    return store_engine


@pytest.fixture
def archive(engine):
    return PolicyArchive(PolicyRows(engine), Keys())


def only(archive, *rows):
    """Put these rows in the place of those that are stored."""
    archive._rows = SimpleNamespace(read=lambda: list(rows))


def test_a_vault_without_a_policy_denies_everything(archive):
    number, policy = archive.current()
    assert number == 0
    assert policy.terms.rules == ()


def test_the_newest_version_is_in_force_and_older_ones_stay_readable(archive):
    archive.apply(ONE, 5)
    version, policy = archive.apply(TWO, 6)
    assert version.number == 2
    assert archive.current(2)[0] == 2
    assert archive.current()[1].digest == policy.digest
    assert [item.text for item in archive.versions()] == [ONE, TWO]


def test_a_faulty_policy_changes_nothing(archive):
    archive.apply(ONE, 5)
    with pytest.raises(PolicyError):
        archive.apply("[dataset.x]\ntag = {}", 6)
    assert archive.current()[0] == 1


def test_keys_of_a_file_are_kept_with_the_text(archive, engine):
    text = '[dataset.x]\nkeys = { a = { file = "a.txt" }, b = ["m"] }\n'
    _, policy = archive.apply(text, 5, {"x": {"a": ("k", "l")}})
    again = PolicyArchive(PolicyRows(engine), archive._signer).current()[1]
    assert again.digest == policy.digest
    assert again.datasets["x"].keys == {"a": ("k", "l"), "b": ("m",)}
    assert archive.versions()[0].text == text
    with pytest.raises(PolicyError, match="were not read"):
        archive.apply(text, 6)
    assert archive.current()[0] == 1


def test_a_version_without_files_is_signed_as_it_always_was(archive):
    version, _ = archive.apply(ONE, 5)
    assert canonical(version) == (
        b'{"applied":5,"digest":"%s","number":1,"text":"[dataset.x]\\n"}' % version.digest.encode()
    )


def test_a_removed_version_is_noticed(archive):
    archive.apply(ONE, 5)
    archive.apply(TWO, 6)
    one, two = archive._rows.read()
    only(archive, one)
    with pytest.raises(IntegrityError):
        archive.current(at_least=2)
    only(archive, two)
    with pytest.raises(IntegrityError):
        archive.current()


def test_a_changed_or_exchanged_version_is_noticed(archive):
    archive.apply(ONE, 5)
    archive.apply(TWO, 6)
    one, two = archive._rows.read()
    for row in (
        two._replace(envelope=one.envelope),
        two._replace(digest=one.digest),
        two._replace(applied=7),
        two._replace(envelope=two.envelope[:-9] + b"AAAA" + two.envelope[-5:]),
        two._replace(envelope=seal_envelope(Signer(Signer.new_seed()), "x", b"{}")),
    ):
        only(archive, one, row)
        with pytest.raises(IntegrityError):
            archive.current()
    only(archive, one, two)
    assert archive.current()[0] == 2


def test_two_that_apply_at_once_do_not_overwrite_each_other(archive, engine):
    archive.apply(ONE, 5)
    one = archive._rows.read()[0]
    with pytest.raises(ConflictError):
        PolicyRows(engine).add(*one)
    assert archive.current()[0] == 1
