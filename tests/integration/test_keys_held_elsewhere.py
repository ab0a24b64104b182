"""A vault whose keys are held by a service: made, sealed into, served from, rotated; and the service goes away."""

import io
import json
import sys

import boto3
import pyarrow as pa
import pytest

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.keeping import rotate_keys
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.service.desk import Desk
from jupyter_secure.broker.vault import Vault
from jupyter_secure.cli import main as command
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import LockedError, UnlockError
from jupyter_secure.protocol.messages import Load
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.sealed_data import TableSource
from jupyter_secure.testing.world import CHEAP, PASSWORD, Front
from tests import key_services
from tests.key_services import PIN, REGION, TOKEN

pytestmark = pytest.mark.slow
TABLE = pa.table({"name": ["Ann", "Bob"], "cost": [1.0, 2.0]})
TAGS = {"name": Tag.DIRECT, "cost": Tag.MEASURE}
POLICY = """
[dataset.patients]
[dataset.other]
[[rule]]
id = "masked"
to = ["role:engineer"]
datasets = "*"
view = "masked"
mask = { direct = "pseudonym", measure = "keep" }
"""


def fill(vault):
    for name in ("patients", "other"):
        vault.seal(TableSource(TABLE), name, TAGS)
    Policies(vault).apply(POLICY)
    Accounts(vault.engine, vault.now, CHEAP).add("ann", PASSWORD, ("engineer",), "Ann")


async def unheard(notebook, user=None):
    """Hear of changes, and do nothing."""


async def load(kernel, name="patients"):
    _, table = await kernel.fetch(Load(dataset=name))
    return table["cost"].to_pylist()


async def test_openbao_holds_the_keys_and_goes_away(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "SUBCOMMANDS", ("init",))
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{TOKEN}\n"))
    path = tmp_path / "vault"
    with key_services.bao(tmp_path) as server:
        uri = f"transit:{server.address}/transit/vault"
        assert command.main(["init", "--vault", str(path), "--keys", uri, "--password-stdin", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["vault"] == str(path)
        with Vault.open_locked(path) as vault:
            assert vault.asks == "token"
            with pytest.raises(UnlockError):
                vault.unlock("another token")
            vault.unlock(TOKEN)
            fill(vault)
        async with Desk.open(str(path), unheard) as desk:
            desk.vault.unlock(TOKEN)
            kernel = await Front(desk).kernel("ann")
            assert await load(kernel) == [1.0, 2.0]
            rotate_keys(desk.vault, "patients")
            assert await load(kernel) == [1.0, 2.0]
            server.stop()
            assert await load(kernel) == [1.0, 2.0]  # its key was opened before
            with pytest.raises(LockedError, match="does not answer or is sealed"):
                await load(kernel, "other")
            kinds = [entry.header.kind for entry in desk.vault.audit.entries(dataset="other")]
            assert kinds[:2] == [Kind.LOAD_FAILED, Kind.LOAD_DECIDED]
    with Vault.open_locked(path) as vault, pytest.raises(LockedError):
        vault.unlock(TOKEN)
    assert not any(TOKEN.encode() in file.read_bytes() for file in path.rglob("*") if file.is_file())


async def test_a_security_module_holds_the_keys(tmp_path):
    with key_services.softhsm(tmp_path) as token:
        Vault.create(tmp_path / "vault", PIN, f"{token}&key=vault").close()
        with Vault.open_locked(tmp_path / "vault") as vault:
            assert vault.asks == "PIN"
            vault.unlock(PIN)
            fill(vault)
        async with Desk.open(str(tmp_path / "vault"), unheard) as desk:
            desk.vault.unlock(PIN)
            assert await load(await Front(desk).kernel("ann")) == [1.0, 2.0]


async def test_the_role_of_the_machine_opens_a_vault_whose_keys_aws_holds(tmp_path, monkeypatch):
    with key_services.aws(monkeypatch):
        key = boto3.client("kms", region_name=REGION).create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
        with Vault.create(tmp_path / "vault", "", f"kms:{REGION}/{key}") as vault:
            fill(vault)
        async with Desk.open(str(tmp_path / "vault"), unheard) as desk:
            assert not desk.vault.locked  # nothing was typed
            assert await load(await Front(desk).kernel("ann")) == [1.0, 2.0]
    async with Desk.open(str(tmp_path / "vault"), unheard) as desk:
        assert desk.vault.locked  # AWS is not there; the broker is
