"""`jupyter secure shred`: what is destroyed stays destroyed, in a running broker too."""

import io
import json
import sys

import pyarrow as pa
import pytest

from jupyter_secure.cli import main as command
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import ConflictError, RefusedError
from jupyter_secure.protocol.messages import Catalog, Load
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World

TABLE = pa.table({"name": ["Ann", "Bob"], "cost": [1.0, 2.0]})
TAGS = {"name": Tag.DIRECT, "cost": Tag.MEASURE}
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
    monkeypatch.setattr(command, "SUBCOMMANDS", ("shred", "datasets", "verify"))
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


async def test_a_destroyed_dataset_is_gone_at_once_for_a_broker_that_runs(world, run):
    async with world.desk() as front:
        kernel = await front.kernel("sue")
        await kernel.fetch(Load(dataset="patients"))
        status, told = run("shred", "patients", "--yes")
        assert (status, told["dataset"], told["versions"]) == (0, "patients", [1, 2])
        with pytest.raises(RefusedError) as refused:
            await kernel.fetch(Load(dataset="patients"))
        with pytest.raises(RefusedError) as unknown:
            await kernel.fetch(Load(dataset="nothing"))
        assert str(refused.value).replace("patients", "X") == str(unknown.value).replace("nothing", "X")
        assert [offer.dataset for offer in (await kernel.ask(Catalog())).offers] == ["other"]
        assert (await kernel.fetch(Load(dataset="other")))[1].num_rows == 2
    done, meant = world.vault.audit.entries(kinds=(Kind.DATASET_SHREDDED,))
    assert (meant.header.outcome, done.header.outcome, done.header.reference) == ("permitted", "done", meant.seq)
    assert (meant.seq, done.header.dataset) == (told["entry"], "patients")
    assert not list(world.path.rglob("datasets/patients/*/part-*"))
    assert len(list(world.path.rglob("datasets/patients/*/manifest.json"))) == 2


def test_its_name_is_not_given_again_and_the_others_are_sound(world, run):
    run("shred", "patients", "--yes")
    with pytest.raises(ConflictError):
        world.seal(TABLE, "patients", TAGS)
    status, found = run("datasets")
    assert status == 0
    assert {it["dataset"]: it["state"].split()[0] for it in found} == {"other": "signed", "patients": "destroyed"}
    status, reports = run("verify")
    assert (status, [report["dataset"] for report in reports]) == (0, ["other"])


def test_the_same_command_completes_what_was_cut_short_and_a_damaged_dataset_goes_too(world, run):
    world.vault.keychain.destroy_dataset("patients", 7)  # as far as a killed command came
    status, told = run("shred", "patients", "--yes")
    assert (status, told["destroyed_at"], told["scrubbed"]) == (0, 7, True)
    assert not list(world.path.rglob("datasets/patients/*/part-*"))
    [manifest] = world.path.rglob("datasets/other/1/manifest.json")
    manifest.write_bytes(b"damaged")
    assert run("shred", "other", "--yes")[0] == 0
    assert world.vault.catalog.names() == ()


def test_without_a_terminal_it_has_to_be_meant(world, run):
    assert run("shred", "patients")[0] == 1
    assert run("shred", "nothing", "--yes")[0] == 1
    assert run("shred", "patients", "--yes", lines=("another passphrase",))[0] == 1
    assert world.vault.catalog.names() == ("other", "patients")


def test_at_a_terminal_the_name_is_typed_again(world, run, monkeypatch):
    monkeypatch.setattr("jupyter_secure.cli.asking.interactive", lambda _: True)
    monkeypatch.setattr("builtins.input", lambda _: "patient")
    assert run("shred", "patients")[1]["error"]["code"] == "invalid"
    assert "patients" in world.vault.catalog.names()
    monkeypatch.setattr("builtins.input", lambda _: "patients")
    assert run("shred", "patients")[0] == 0
