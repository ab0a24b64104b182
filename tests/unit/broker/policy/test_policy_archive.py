"""Versions of policies: signed, numbered without a gap, never older than what is known."""

import msgspec
import pytest

from jupyter_secure.broker.keys.signing import Signer, Verifier, open_envelope, seal_envelope
from jupyter_secure.broker.policy.archive import PolicyArchive
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


class Rows(list):
    read = list.copy

    def add(self, row):
        if any(row.number == other.number for other in self):
            raise ConflictError
        self.append(row)


@pytest.fixture
def archive():
    return PolicyArchive(Rows(), Keys())


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


def test_a_removed_version_is_noticed(archive):
    archive.apply(ONE, 5)
    archive.apply(TWO, 6)
    last = archive._rows.pop()
    with pytest.raises(IntegrityError):
        archive.current(at_least=2)
    archive._rows[:] = [last]
    with pytest.raises(IntegrityError):
        archive.current()


def test_a_changed_or_exchanged_version_is_noticed(archive):
    archive.apply(ONE, 5)
    archive.apply(TWO, 6)
    one, two = archive._rows
    for row in (
        msgspec.structs.replace(two, envelope=one.envelope),
        msgspec.structs.replace(two, digest=one.digest),
        msgspec.structs.replace(two, applied=7),
        msgspec.structs.replace(two, envelope=two.envelope[:-9] + b"AAAA" + two.envelope[-5:]),
        msgspec.structs.replace(two, envelope=seal_envelope(Signer(Signer.new_seed()), "x", b"{}")),
    ):
        archive._rows[:] = [one, row]
        with pytest.raises(IntegrityError):
            archive.current()
