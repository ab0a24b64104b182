"""Whoever copies the vault's folder, and has no passphrase, has neither a cell nor a key."""

import pyarrow as pa
import pytest

from jupyter_secure.broker.keys.keychain import SINGLE, Purpose
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import LockedError
from jupyter_secure.testing.sealed_data import PASSPHRASE, TableSource
from jupyter_secure.testing.unsafe_keys import UnsafePassphraseProvider

CELLS = [f"Ermintrude-{number}" for number in range(300)]


@pytest.fixture
def vault(tmp_path):
    vault = Vault.create(tmp_path / "vault", PASSPHRASE, UnsafePassphraseProvider.scheme)
    vault.seal(TableSource(pa.table({"name": CELLS})), "patients", {"name": Tag.DIRECT})
    yield vault
    vault.close()


def everything(vault):
    return b"\0".join(path.read_bytes() for path in sorted(vault.folder.path.rglob("*")) if path.is_file())


def test_a_copied_vault_holds_no_cell_in_clear(vault):
    assert b"Ermintrude" not in everything(vault)


def test_a_copied_vault_holds_no_key_and_no_passphrase_in_clear(vault):
    content = everything(vault)
    keys = [
        vault.keychain._open(Purpose.DATASET, "patients"),
        *(vault.keychain._open(purpose, "") for purpose in SINGLE),
        vault.keychain._provider._root,
    ]
    for key in keys:
        assert len(key) == 32
        assert key not in content
        assert key.hex().encode() not in content
    assert PASSPHRASE.encode() not in content


def test_a_copied_vault_opens_nothing_without_the_passphrase(vault):
    with Vault.open_locked(vault.folder.path) as copy:
        for attempt in (
            lambda: copy.keychain.dataset_key("patients"),
            lambda: copy.keychain.pseudonym_key("default", None, "name"),
            lambda: copy.keychain.signer(Purpose.LOG).sign(b"forged"),
            lambda: copy.seal(TableSource(pa.table({"name": CELLS})), "patients", {}),
        ):
            with pytest.raises(LockedError):
                attempt()


def test_a_shredded_dataset_leaves_no_wrapped_key_in_the_store(vault):
    from sqlalchemy import select

    from jupyter_secure.broker.store.tables.keys import KEYS

    with vault.engine.connect() as connection:
        wrapped = connection.execute(select(KEYS.c.wrapped).where(KEYS.c.name == "patients")).scalar()
    assert wrapped in everything(vault)
    assert vault.keychain.destroy_dataset("patients", vault.now())
    assert wrapped not in everything(vault)
