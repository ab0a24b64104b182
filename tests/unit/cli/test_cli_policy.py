"""`jupyter secure policy`, driven as a program would."""

import io
import json
import os

import pyarrow as pa
import pytest

from jupyter_secure.broker.policies import Policies
from jupyter_secure.cli import policy as cli
from jupyter_secure.cli.main import parser
from jupyter_secure.protocol.errors import (
    InvalidRequestError,
    PolicyError,
    RefusedError,
    UnauthenticatedError,
    UnlockError,
)
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World

GOOD = """
[dataset.patients]
tags = { name = "direct", cost = "measure" }
[[rule]]
id = "masked"
to = ["role:engineer"]
datasets = ["patients"]
view = "masked"
mask = { direct = "pseudonym", measure = "keep" }
when = { guard = "G3" }
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("world")) as world:
        world.person("ed", "engineer")
        world.seal(pa.table({"name": ["a"], "cost": [1], "new": [2]}))
        yield world
        world.verify()


@pytest.fixture
def run(world, monkeypatch):
    def run(*argv, secret=None):
        monkeypatch.setattr("sys.stdin", io.StringIO("" if secret is None else f"{secret}\n"))
        args = parser().parse_args(["policy", *map(str, argv), "--vault", str(world.path)])
        return args.run(args)

    return run


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    return path


def test_check_needs_no_vault(run, good, capsys):
    assert run("check", good) == 0
    assert "Valid: 1 dataset, 0 purposes, 1 rule." in capsys.readouterr().out
    assert run("check", good, "--json") == 0
    assert json.loads(capsys.readouterr().out)["rules"] == ["masked"]


def test_check_tells_what_is_probably_not_meant(run, good, capsys):
    good.write_text(GOOD + "[dataset.other]\n[purpose.study]\n")
    run("check", good)
    said = capsys.readouterr().out
    assert "[dataset.other]: no rule gives anybody anything of it." in said
    assert "[purpose.study]: no rule asks for it." in said


@pytest.mark.parametrize(
    ("content", "sentence"), [(b"\n\xff", "line 2: the file is not UTF-8"), (b"\nx = 1", "line 2: x: unknown field")]
)
def test_check_names_line_and_field(run, tmp_path, content, sentence):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(PolicyError, match=sentence):
        run("check", path)
    with pytest.raises(PolicyError, match=r"gone.toml cannot be read"):
        run("check", tmp_path / "gone.toml")


def test_apply_puts_in_force_and_explain_reads_it_without_a_passphrase(run, world, good, capsys):
    before = Policies(world.vault).current()[0]
    assert run("apply", good, "--password-stdin", "--json", secret=PASSPHRASE) == 0
    applied = json.loads(capsys.readouterr().out)
    assert applied["number"] == before + 1
    assert Policies(world.vault).current()[1].digest == applied["digest"]
    assert run("explain", "--as", "ed", "--dataset", "patients") == 0
    said = capsys.readouterr().out
    assert "ed gets patients as masked." in said
    assert "Shown as a pseudonym, by rule masked, because it is tagged direct." in said
    assert "no tag" in said


LISTED = (
    GOOD.replace("cost =", 'ward = "public", cost =') + '[dataset.patients.keys]\nward = { file = "codes/wards.txt" }\n'
)


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "policy" / "listed.toml"
    (path.parent / "codes").mkdir(parents=True)
    path.write_text(LISTED)
    (path.parent / "codes" / "wards.txt").write_text("north\nsouth\n")
    return path


def test_keys_of_a_file_are_read_when_the_policy_is_applied_and_never_again(run, world, listed, capsys):
    assert run("check", listed) == 0
    assert "Read: 2 keys of patients.ward." in capsys.readouterr().out
    assert run("apply", listed, "--password-stdin", "--json", secret=PASSPHRASE) == 0
    applied = json.loads(capsys.readouterr().out)
    (listed.parent / "codes" / "wards.txt").write_text("south\n")
    policy = Policies(world.vault).current()[1]
    assert policy.digest == applied["digest"]
    assert policy.datasets["patients"].keys == {"ward": ("north", "south")}
    run("check", listed, "--json")
    assert json.loads(capsys.readouterr().out)["digest"] != applied["digest"]


def test_a_file_of_keys_lies_below_the_policy(run, listed, tmp_path):
    wards, outside = listed.parent / "codes" / "wards.txt", tmp_path / "outside"
    outside.mkdir()
    (outside / "wards.txt").write_text("north\n")
    wards.unlink()
    with pytest.raises(PolicyError, match=r"line 12: .* -> keys.ward: codes/wards.txt cannot be read: no such file"):
        run("check", listed)
    wards.symlink_to(outside / "wards.txt")
    with pytest.raises(PolicyError, match=r"codes/wards.txt leads out of the folder of the policy"):
        run("check", listed)
    wards.unlink()
    wards.symlink_to("wards.txt")
    with pytest.raises(PolicyError, match=r"codes/wards.txt cannot be read"):
        run("check", listed)
    wards.unlink()
    os.mkfifo(wards)
    with pytest.raises(PolicyError, match=r"codes/wards.txt is no file"):
        run("check", listed)
    wards.unlink()
    wards.parent.rmdir()
    wards.parent.symlink_to(outside)
    with pytest.raises(PolicyError, match=r"leads out of the folder"):
        run("check", listed)


def test_a_policy_that_is_a_link_has_its_keys_beside_what_it_links_to(run, listed, tmp_path, capsys):
    link = tmp_path / "link.toml"
    link.symlink_to(listed)
    assert run("check", link) == 0
    assert "2 keys" in capsys.readouterr().out


def test_applying_is_recorded_before_and_after(run, world, good):
    run("apply", good, "--password-stdin", "--json", secret=PASSPHRASE)
    found = [entry.header.outcome for entry in world.vault.audit.entries(kinds=(Kind.POLICY_APPLIED,), limit=2)]
    assert sorted(found) == ["done", "permitted"]


def test_explain_says_what_is_missing(run, good, capsys):
    assert run("explain", "--as", "ed", "--dataset", "patients", "--guard", "G1", "--file", good) == 0
    said = capsys.readouterr().out
    assert "ed gets nothing of patients." in said
    assert "This needs guard G3; this kernel is G1." in said
    run("explain", "--as", "ed", "--dataset", "patients", "--guard", "G1", "--file", good, "--json")
    assert json.loads(capsys.readouterr().out)["decision"]["view"] is None


def test_explain_says_what_kernels_reach_before_and_after_a_load(run, good, tmp_path, capsys):
    explain = ("explain", "--as", "ed", "--dataset", "patients", "--file")
    assert run(*explain, good) == 0
    assert "Network of a G3 kernel: none." in capsys.readouterr().out
    table = '[[egress]]\nid = "{0}"\nto = ["everyone"]\nhosts = ["{0}.org"]\n'
    path = tmp_path / "open.toml"
    path.write_text(f'{GOOD}\n{table.format("web")}\n{table.format("mirror")}after = ["masked"]\n')
    assert run(*explain, path) == 0
    said = capsys.readouterr().out
    assert "Network of a G3 kernel: mirror.org, web.org." in said
    assert "Network once it has loaded this view: mirror.org." in said


def test_explain_of_nobody_and_of_nothing_is_one_sentence(run, good):
    with pytest.raises(UnauthenticatedError, match="no active account"):
        run("explain", "--as", "nobody", "--dataset", "patients", "--file", good)
    with pytest.raises(RefusedError):
        run("explain", "--as", "ed", "--dataset", "nothing", "--file", good)


@pytest.mark.parametrize(("content", "secret"), [("x = 1", PASSPHRASE), (GOOD, "another passphrase")])
def test_a_faulty_file_and_a_wrong_passphrase_change_nothing(run, world, tmp_path, content, secret):
    before = Policies(world.vault).current()
    path = tmp_path / "policy.toml"
    path.write_text(content)
    with pytest.raises((PolicyError, UnlockError)):
        run("apply", path, "--password-stdin", secret=secret)
    assert Policies(world.vault).current()[0] == before[0]


def test_a_person_at_a_terminal_is_asked_and_no_means_no(run, world, good, monkeypatch):
    before = Policies(world.vault).current()[0]
    monkeypatch.setattr(cli, "interactive", lambda _: True)
    monkeypatch.setattr(cli, "confirm", lambda _: False)
    with pytest.raises(InvalidRequestError, match="Nothing was changed"):
        run("apply", good)
    assert Policies(world.vault).current()[0] == before
