"""`jupyter secure subject`: a person is gone from every version that can be read, and a certificate says so."""

import base64
import io
import json
import sys

import pyarrow as pa
import pytest

from jupyter_secure.broker import deletion
from jupyter_secure.broker.deletion import delete_person
from jupyter_secure.broker.keeping import append
from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.sealed import check, parts
from jupyter_secure.cli import main as command
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import IntegrityError, RefusedError
from jupyter_secure.protocol.messages import Load
from jupyter_secure.protocol.record import Kind
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.sealed_data import PASSPHRASE, TableSource
from jupyter_secure.testing.world import World

SECRET = "Ermintrude"
TAGS = {"person": Tag.DIRECT, "cost": Tag.MEASURE}
POLICY = """
[dataset.patients]
privacy_unit = "person"
bounds = { cost = [0, 10] }
budget = { epsilon = "1" }
[[rule]]
id = "all"
to = ["everyone"]
datasets = "*"
view = "raw"
[[rule]]
id = "ask"
to = ["everyone"]
datasets = "*"
view = "dp"
"""


def people(*names):
    return pa.table({"person": [name for name in names for _ in range(50)], "cost": [1.5] * 50 * len(names)})


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "SUBCOMMANDS", ("subject", "verify", "keys"))
    monkeypatch.setattr(parts, "GROUP_ROWS", 50)
    monkeypatch.setattr(parts, "PART_GROUPS", 1)
    with World(tmp_path) as made:
        made.person("sue", "steward")
        made.seal(people("Ann", SECRET, "Bob"), tags=TAGS)
        append(made.vault, TableSource(people("Cid", SECRET)), "patients", {})
        made.apply(POLICY)
        yield made
        made.verify()


@pytest.fixture
def run(world, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*words, lines=(PASSPHRASE, SECRET)):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        status = command.main([*map(str, words), "--vault", str(world.path), "--password-stdin", "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run


def delete(run):
    return run("subject", "delete", "patients", "--unit", "person", "--yes")


def places(world, version):
    return sorted((world.path / "datasets" / "patients" / str(version)).glob("part-*"))


async def test_a_person_is_gone_and_a_broker_that_runs_hands_out_the_rest(world, run, tmp_path):
    kept = {path.read_bytes() for number in (0, 2, 3) for path in [places(world, 2)[number]]}
    async with world.desk() as front:
        kernel = await front.kernel("sue", "mine.ipynb")
        await kernel.ask(Load(dataset="patients", rung=Rung.DP))  # a handle, which holds nobody
        assert SECRET in (await kernel.fetch(Load(dataset="patients")))[1]["person"].to_pylist()
        status, told = delete(run)
        assert (status, told["erasure"]["kept"]["version"]) == (0, 3)
        rest = (await kernel.fetch(Load(dataset="patients")))[1]
        assert rest["person"].to_pylist() == people("Ann", "Bob", "Cid")["person"].to_pylist()
    # Who holds a copy, and of which version.
    assert [(it["who"], it["notebook"], it["version"], it["view"]) for it in told["holders"]] == [
        ("sue", "mine.ipynb", "2", "raw")
    ]
    # Only the parts that held the person were written again.
    assert {path.read_bytes() for path in places(world, 3)} == kept
    assert places(world, 1) == places(world, 2) == []
    done, meant = world.vault.audit.entries(kinds=(Kind.SUBJECT_DELETED,))
    assert (meant.header.outcome, done.header.outcome, done.header.reference) == ("permitted", "done", meant.seq)
    certificate = (tmp_path / "erasure-patients-3.json").read_bytes()
    for held in (certificate, json.dumps(told).encode(), repr((meant, done)).encode()):
        assert SECRET.encode() not in held
    assert run("verify")[0] == 0


def test_no_key_opens_an_older_version_even_with_its_files_put_back(world, run):
    copies = {path: path.read_bytes() for number in (1, 2) for path in places(world, number)}
    old = world.vault.keychain.dataset_key("patients")
    assert delete(run)[0] == 0
    for path, content in copies.items():
        path.write_bytes(content)
    catalog, keychain = world.vault.catalog, world.vault.keychain
    keychain.lock()
    world.vault.unlock(PASSPHRASE)
    for version in (1, 2):
        with pytest.raises(RefusedError):
            check.check(catalog, keychain, "patients", version)
    with pytest.raises(IntegrityError):
        keychain.dataset_key("patients", 1)
    assert keychain.dataset_key("patients", 2) != old
    # A later rotation does not bring them back either.
    run("keys", "rotate", "patients")
    assert catalog.readable("patients") == (3,)


def test_the_certificate_is_checked_with_the_public_key_alone_and_about_whom_by_its_receipt(world, run, tmp_path):
    told = delete(run)[1]
    path = tmp_path / told["certificate"]
    key = base64.b64encode(world.vault.verifier(Purpose.MANIFEST).public).decode()
    status, seen = run("subject", "verify", path, lines=())
    assert (status, seen["vault_agrees"], seen["erasure"]) == (0, True, told["erasure"])
    assert [it["version"] for it in seen["erasure"]["erased"]] == [1, 2]
    for value, fits in ((SECRET, True), ("Ann", False)):
        lines = (told["receipt"], value)
        status, seen = run("subject", "verify", path, "--key", key, "--person", lines=lines)
        assert (status, seen["person_fits"], seen["vault_agrees"]) == (int(not fits), fits, None)
    assert run("subject", "verify", path, "--key", base64.b64encode(bytes(32)).decode(), lines=())[0] == 1
    for damaged in (path.read_bytes()[:-9], path.read_bytes().replace(b"A", b"B", 1), b""):
        path.write_bytes(damaged)
        assert run("subject", "verify", path, lines=())[1]["error"]["code"] == "integrity"


def test_for_nobody_nothing_is_changed(world, run, tmp_path):
    for words, lines in (
        (("patients", "--unit", "person", "--yes"), (PASSPHRASE, "Ermintrud")),
        (("patients", "--unit", "nothing", "--yes"), (PASSPHRASE, SECRET)),
        (("patients", "--unit", "cost", "--yes"), (PASSPHRASE, SECRET)),
        (("nothing", "--unit", "person", "--yes"), (PASSPHRASE, SECRET)),
        (("patients", "--unit", "person"), (PASSPHRASE, SECRET)),
        (("patients", "--unit", "person", "--yes"), (PASSPHRASE,)),
    ):
        status, told = run("subject", "delete", *words, lines=lines)
        assert status == 1
        assert SECRET not in json.dumps(told)
    (tmp_path / "erasure-patients-3.json").write_text("taken")
    assert delete(run)[1]["error"]["code"] == "invalid"
    assert world.vault.catalog.readable("patients") == (1, 2)
    assert [path.name for path in tmp_path.glob("erasure*")] == ["erasure-patients-3.json"]
    assert not world.vault.audit.entries(kinds=(Kind.SUBJECT_DELETED,))


@pytest.mark.parametrize("step", ["rotate", "_remove_files", "_named"])
def test_what_was_cut_short_is_completed_by_the_same_call(world, monkeypatch, step):
    calls = []

    def killed(*_args, **_more):
        calls.append(step)
        if step == "_remove_files" and len(calls) == 1:
            return  # the first of two
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(deletion, step, killed)
        with pytest.raises(KeyboardInterrupt):
            delete_person(world.vault, "patients", "person", SECRET)
    if step == "rotate":
        done = delete_person(world.vault, "patients", "person", SECRET)
        assert (done.erasure.kept.version, [it.version for it in done.erasure.erased]) == (3, [1, 2])
    else:  # no version holds the person; what is left are files
        with pytest.raises(RefusedError):
            delete_person(world.vault, "patients", "person", SECRET)
    assert world.vault.catalog.readable("patients") == (3,)
    assert places(world, 1) == places(world, 2) == []
    assert all(it.sound for it in check.check_all(world.vault.catalog, world.vault.keychain))


def test_everybody_can_be_deleted_and_then_there_is_an_empty_table(world):
    for name in ("Ann", "Bob", "Cid", SECRET):
        delete_person(world.vault, "patients", "person", name)
    assert world.vault.catalog.latest("patients").rows == 0
    assert all(it.sound for it in check.check_all(world.vault.catalog, world.vault.keychain))


def test_the_value_is_no_argument_of_the_command(run):
    with pytest.raises(SystemExit):
        run("subject", "delete", "patients", SECRET, "--unit", "person", "--yes")
