"""A vault: made whole or not at all, locked until its passphrase comes, every change in the log."""

import base64
import json

import pyarrow as pa
import pytest

from jupyter_secure.broker.keys.keychain import SIGNING, Purpose
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import (
    AuditUnavailableError,
    ConflictError,
    InputFileError,
    InstallationError,
    IntegrityError,
    InvalidRequestError,
    LockedError,
    UnlockError,
)
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.sealed_data import PASSPHRASE, TableSource
from jupyter_secure.testing.unsafe_keys import UnsafePassphraseProvider

TABLE = pa.table({"name": ["a", "b"], "age": [1, 2]})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vault"


@pytest.fixture
def vault(path, elsewhere):
    vault = Vault.create(path, PASSPHRASE, UnsafePassphraseProvider.scheme, database_url=elsewhere)
    yield vault
    vault.close()


def logged(vault):
    return [(entry.header.kind, entry.header.outcome) for entry in reversed(vault.audit.entries())]


def test_a_new_vault_is_unlocked_and_its_making_is_logged(vault):
    assert not vault.locked
    assert logged(vault) == [(Kind.VAULT_CREATED, "done")]


def test_an_opened_vault_is_locked_until_the_passphrase_comes(vault, path):
    with Vault.open_locked(path) as again:
        with pytest.raises(LockedError):
            again.seal(TableSource(TABLE), "patients", {})
        again.unlock(PASSPHRASE)
        assert not again.locked
        assert logged(again)[-1] == (Kind.VAULT_UNLOCKED, "done")


def test_a_wrong_passphrase_leaves_it_locked_and_is_logged(vault, path):
    with Vault.open_locked(path) as again:
        with pytest.raises(UnlockError):
            again.unlock("not the passphrase")
        assert again.locked
        assert logged(again)[-1] == (Kind.VAULT_UNLOCK_FAILED, "refused")
        again.unlock(PASSPHRASE)


def test_public_keys_are_known_while_locked(vault, path):
    with Vault.open_locked(path) as again:
        for purpose in SIGNING:
            assert again.verifier(purpose).public == vault.keychain.signer(purpose).public


def test_the_description_holds_public_keys_and_no_secret(vault, path):
    config = json.loads((path / "vault.json").read_bytes())
    assert base64.b64decode(config["log_key"]) == vault.keychain.signer(Purpose.LOG).public
    assert PASSPHRASE not in json.dumps(config)


@pytest.mark.parametrize("field", ["log_key", "manifest_key", "policy_key"])
def test_an_exchanged_public_key_is_found_when_it_is_unlocked(vault, path, field):
    config = vault.folder.read_config()
    vault.folder.write_config(config | {field: base64.b64encode(bytes(range(32))).decode()})
    with Vault.open_locked(path) as again:
        with pytest.raises(IntegrityError):
            again.unlock(PASSPHRASE)
        assert again.locked


@pytest.mark.parametrize("change", [{"format": "other"}, {"id": None}, {"settings": None}, {"log_key": 5}])
def test_a_damaged_description_is_refused(vault, path, change):
    vault.folder.write_config(vault.folder.read_config() | change)
    with pytest.raises(InstallationError):
        Vault.open_locked(path)


def test_a_vault_of_the_testing_kit_does_not_open_without_it(vault, path, monkeypatch):
    from jupyter_secure.broker.keys import provider

    monkeypatch.delitem(provider._OPENERS, "unsafe-passphrase")
    with Vault.open_locked(path) as again, pytest.raises(InstallationError):
        again.unlock(PASSPHRASE)


def test_there_is_nothing_at_a_place_without_vault(tmp_path):
    with pytest.raises(InstallationError):
        Vault.open_locked(tmp_path / "none")


def test_a_vault_is_not_made_over_another(vault, path):
    with pytest.raises(ConflictError):
        Vault.create(path, PASSPHRASE, UnsafePassphraseProvider.scheme)
    assert vault.folder.read_config()["id"] == vault.id


def test_a_short_passphrase_makes_no_vault(path):
    with pytest.raises(InvalidRequestError):
        Vault.create(path, "short", UnsafePassphraseProvider.scheme)
    assert not path.exists()


def test_a_vault_that_cannot_be_finished_is_removed(path, monkeypatch):
    def fail(*_args):
        raise AuditUnavailableError

    monkeypatch.setattr(Vault, "_append", fail)
    with pytest.raises(AuditUnavailableError):
        Vault.create(path, PASSPHRASE, UnsafePassphraseProvider.scheme)
    assert not path.exists()


def test_sealing_is_logged_before_it_counts_and_after(vault):
    version = vault.seal(TableSource(TABLE), "patients", {"name": Tag.DIRECT})
    done, permitted = vault.audit.entries(limit=2)
    assert (permitted.header.outcome, done.header.outcome) == ("permitted", "done")
    assert done.header.reference == permitted.seq
    assert done.header.extra["digest"] == version.digest
    assert (done.header.dataset, done.header.rows, done.header.columns) == ("patients", 2, ("name", "age"))


def test_without_the_log_nothing_is_sealed(vault, monkeypatch):
    def fail(*_args, **_fields):
        raise AuditUnavailableError

    monkeypatch.setattr(vault.audit, "append", fail)
    with pytest.raises(AuditUnavailableError):
        vault.seal(TableSource(TABLE), "patients", {})
    assert vault.catalog.names() == ()


def test_without_the_log_it_stays_locked(vault, path, monkeypatch):
    with Vault.open_locked(path) as again:

        def fail(*_args, **_fields):
            raise AuditUnavailableError

        monkeypatch.setattr(again.audit, "append", fail)
        with pytest.raises(AuditUnavailableError):
            again.unlock(PASSPHRASE)
        assert again.locked


def test_a_seal_that_fails_after_its_intent_is_logged_as_failed(vault, monkeypatch):
    from jupyter_secure.broker.sealed import writer

    def fail(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "_commit", fail)
    with pytest.raises(InputFileError):
        vault.seal(TableSource(TABLE), "patients", {})
    assert logged(vault)[1:] == [(Kind.DATASET_SEALED, "permitted"), (Kind.DATASET_SEALED, "failed")]


def test_a_recorded_change_that_fails_is_logged_as_failed(vault):
    with pytest.raises(ConflictError), vault.recorded(Kind.USER_ADDED):
        raise ConflictError
    assert logged(vault)[1:] == [(Kind.USER_ADDED, "permitted"), (Kind.USER_ADDED, "failed")]


def test_a_change_is_not_made_when_it_cannot_be_recorded(vault, monkeypatch):
    def fail(*_args, **_fields):
        raise AuditUnavailableError

    monkeypatch.setattr(vault.audit, "append", fail)
    made = []
    with pytest.raises(AuditUnavailableError), vault.recorded(Kind.USER_ADDED):
        made.append(1)
    assert made == []
