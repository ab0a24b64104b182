"""`jupyter secure keys`: keys change, files do not, and a broker that runs goes on."""

import hashlib
import io
import json
import sys

import pyarrow as pa
import pytest

from jupyter_secure.cli import main as command
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import UnlockError
from jupyter_secure.protocol.messages import Load
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World

TABLE = pa.table({"name": ["Ann", "Bob"], "cost": [1.0, 2.0]})
TAGS = {"name": Tag.DIRECT, "cost": Tag.MEASURE}
NEW = "another long passphrase"
POLICY = """
[dataset.patients]
[dataset.other]
[[rule]]
id = "all"
to = ["everyone"]
datasets = "*"
view = "raw"
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "SUBCOMMANDS", ("keys", "shred", "verify"))
    with World(tmp_path) as made:
        made.person("sue", "steward")
        for name in ("patients", "patients", "other"):
            made.seal(TABLE, name, TAGS)
        made.apply(POLICY)
        yield made
        made.verify()


@pytest.fixture
def run(world, monkeypatch, capsys):
    def run(*words, lines=(PASSPHRASE,)):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        status = command.main([*words, "--vault", str(world.path), "--password-stdin", "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run


def files(world):
    return {
        path: hashlib.sha256(path.read_bytes()).digest()
        for path in world.path.rglob("datasets/*/*/*")
        if path.is_file()
    }


async def test_a_broker_that_runs_reads_on_after_a_rotation_and_no_file_has_changed(world, run):
    before = files(world)
    digest = world.vault.catalog.latest("patients").digest
    async with world.desk() as front:
        kernel = await front.kernel("sue")
        for generation in (2, 3):
            first = await kernel.fetch(Load(dataset="patients"))
            status, [told] = run("keys", "rotate", "patients")
            assert (status, told["generation"], told["dataset"]) == (0, generation, "patients")
            assert (await kernel.fetch(Load(dataset="patients")))[1].equals(first[1])
    assert files(world) == before
    assert world.vault.catalog.latest("patients").digest == digest
    done, meant = world.vault.audit.entries(kinds=(Kind.KEYS_ROTATED,))[:2]
    assert (meant.header.outcome, done.header.outcome, done.header.reference) == ("permitted", "done", meant.seq)
    status, reports = run("verify")
    assert (status, [it["decrypted"] for it in reports]) == (0, [True] * 3)


def test_all_datasets_are_rotated_and_listed(world, run):
    assert [it["generation"] for it in run("keys", "rotate", "--all")[1]] == [2, 2]
    run("keys", "rotate", "other")
    run("shred", "other", "--yes")
    status, found = run("keys", "list", lines=())
    assert (status, found[0]) == (0, {"dataset": "patients", "generation": 2, "state": "in use"})
    assert (found[1]["dataset"], found[1]["generation"], found[1]["state"][:9]) == ("other", 3, "destroyed")


def test_a_wrong_call_or_passphrase_rotates_nothing(world, run):
    for words in (("patients", "--all"), (), ("nothing",)):
        assert run("keys", "rotate", *words)[0] == 1
    assert run("keys", "rotate", "patients", lines=("another passphrase",))[0] == 1
    assert world.vault.catalog.sheets.generation("patients") == 1


async def test_a_new_passphrase_opens_and_the_old_one_does_not_in_a_broker_that_runs_too(world, run):
    keys = world.vault.keychain.dataset_key("patients")
    async with world.desk() as front:
        assert run("keys", "passphrase", lines=(PASSPHRASE, NEW)) == (0, {"changed": True})
        vault = front.desk.vault
        vault.keychain.lock()
        with pytest.raises(UnlockError):
            vault.unlock(PASSPHRASE)
        vault.unlock(NEW)
        assert vault.keychain.dataset_key("patients") == keys
    done, meant = world.vault.audit.entries(kinds=(Kind.PASSPHRASE_CHANGED,))
    assert (meant.header.outcome, done.header.outcome) == ("permitted", "done")
    assert PASSPHRASE not in world.path.joinpath("vault.json").read_text()


def test_a_passphrase_that_is_wrong_or_too_short_changes_nothing(world, run):
    before = world.path.joinpath("vault.json").read_bytes()
    assert run("keys", "passphrase", lines=("another passphrase", NEW))[0] == 1
    assert run("keys", "passphrase", lines=(PASSPHRASE, "short"))[0] == 1
    assert run("keys", "passphrase", lines=(PASSPHRASE,))[0] == 1
    assert world.path.joinpath("vault.json").read_bytes() == before
