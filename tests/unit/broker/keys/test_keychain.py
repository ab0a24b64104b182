"""The keychain: one key per purpose and name, kept wrapped, opened only while unlocked."""

import pytest
from sqlalchemy import select, update

from jupyter_secure.broker.keys.keychain import Keychain, Purpose
from jupyter_secure.broker.keys.signing import Verifier
from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.tables.keys import KEYS
from jupyter_secure.protocol.errors import ConflictError, IntegrityError, LockedError
from jupyter_secure.testing.unsafe_keys import UnsafePassphraseProvider


@pytest.fixture
def engine(store_engine):
    return store_engine


@pytest.fixture
def provider():
    return UnsafePassphraseProvider.create("four words of mine")


@pytest.fixture
def keychain(engine, provider):
    keychain = Keychain(engine, "v", provider)
    keychain.create_vault_keys(1)
    keychain.ensure_dataset("patients", 1)
    return keychain


def test_a_key_is_the_same_when_it_is_opened_again(keychain, engine, provider):
    assert Keychain(engine, "v", provider).dataset_key("patients") == keychain.dataset_key("patients")


def test_every_dataset_has_a_key_of_its_own(keychain):
    keychain.ensure_dataset("visits", 2)
    assert keychain.dataset_key("visits") != keychain.dataset_key("patients")


def test_making_sure_of_a_key_twice_keeps_the_first(keychain):
    before = keychain.dataset_key("patients")
    keychain.ensure_dataset("patients", 2)
    assert keychain.dataset_key("patients") == before


def test_the_keys_of_a_vault_are_made_once(keychain):
    with pytest.raises(ConflictError):
        keychain.create_vault_keys(2)


def test_a_locked_keychain_opens_and_signs_nothing(keychain):
    signer = keychain.signer(Purpose.LOG)
    signer.sign(b"x")
    keychain.lock()
    for attempt in (
        lambda: keychain.dataset_key("patients"),
        lambda: signer.sign(b"x"),
        lambda: keychain.pseudonym_key("p", None, "d"),
        lambda: keychain.ensure_dataset("other", 1),
    ):
        with pytest.raises(LockedError):
            attempt()


def test_a_signer_handed_out_while_locked_signs_once_unlocked(engine, provider, keychain):
    later = Keychain(engine, "v")
    signer = later.signer(Purpose.LOG)
    later.attach(provider)
    Verifier(keychain.signer(Purpose.LOG).public).verify(signer.sign(b"x"), b"x")


def test_signing_keys_differ_by_purpose(keychain):
    assert len({keychain.signer(purpose).public for purpose in (Purpose.LOG, Purpose.MANIFEST, Purpose.POLICY)}) == 3


def test_no_key_lies_in_the_store_in_clear(keychain, tmp_path):
    keychain._engine.dispose()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert keychain.dataset_key("patients") not in stored


def test_a_key_of_one_name_does_not_open_as_another(keychain, engine, provider):
    keychain.ensure_dataset("visits", 2)
    with database.transaction(engine) as connection:
        wrapped = connection.execute(select(KEYS.c.wrapped).where(KEYS.c.name == "patients")).scalar()
        connection.execute(update(KEYS).where(KEYS.c.name == "visits").values(wrapped=wrapped))
    with pytest.raises(IntegrityError):
        Keychain(engine, "v", provider).dataset_key("visits")


def test_a_key_does_not_open_in_another_vault(keychain, engine, provider):
    with pytest.raises(IntegrityError):
        Keychain(engine, "w", provider).dataset_key("patients")


def test_an_unknown_dataset_has_no_key(keychain):
    with pytest.raises(IntegrityError):
        keychain.dataset_key("nothing")


def test_a_destroyed_key_never_opens_again_and_its_name_is_not_reused(keychain, engine, provider):
    keychain.dataset_key("patients")
    keychain.destroy_dataset("patients", 9)
    for reader in (keychain, Keychain(engine, "v", provider)):
        with pytest.raises(IntegrityError):
            reader.dataset_key("patients")
    with pytest.raises(ConflictError):
        keychain.ensure_dataset("patients", 10)


def test_pseudonym_keys_depend_on_project_purpose_and_domain(keychain):
    asked = [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("a", None, "c"), ("a", "", "c"), ("a", "b", "d")]
    keys = {keychain.pseudonym_key(*triple) for triple in asked}
    assert len(keys) == len(asked)
    assert {len(key) for key in keys} == {32}
    assert keychain.pseudonym_key("a", "b", "c") in keys
