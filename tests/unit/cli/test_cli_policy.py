"""`jupyter secure policy`, driven as a program would."""

import argparse
import json
from types import SimpleNamespace

import pytest

from jupyter_secure.broker.keys.signing import Signer, Verifier, open_envelope, seal_envelope
from jupyter_secure.broker.policy.archive import PolicyArchive
from jupyter_secure.broker.store.database import create, open_database
from jupyter_secure.broker.store.policy_rows import PolicyRows
from jupyter_secure.cli import policy as cli
from jupyter_secure.protocol.dataset import Column, DatasetVersion
from jupyter_secure.protocol.errors import InvalidRequestError, PolicyError
from jupyter_secure.protocol.principal import Principal

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
VERSION = DatasetVersion(
    name="patients",
    version=1,
    digest="0" * 64,
    rows=1,
    sealed_at=0,
    columns=(Column(name="name", type="string"), Column(name="cost", type="int64"), Column(name="new", type="int64")),
)


class Keys:
    signer = Signer(Signer.new_seed())

    def sign(self, payload_type, payload):
        return seal_envelope(self.signer, payload_type, payload)

    def verify(self, payload_type, envelope):
        return open_envelope(Verifier(self.signer.public), payload_type, envelope)


@pytest.fixture
def vault(monkeypatch):
    engine = open_database("sqlite://")
    create(engine)
    archive = PolicyArchive(PolicyRows(engine), Keys())
    opened = SimpleNamespace(
        accounts=SimpleNamespace(get=lambda name: Principal(name=name, display_name=name, roles=("engineer",))),
        catalog=SimpleNamespace(latest=lambda _: VERSION),
        policies=archive,
        apply_policy=lambda text: archive.apply(text, 7)[0],
        unlocked=[],
    )

    def open_policy_vault(_, *, unlock):
        opened.unlocked.append(unlock)
        return opened

    monkeypatch.setattr(cli, "open_policy_vault", open_policy_vault)
    yield opened
    engine.dispose()


@pytest.fixture
def run():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--vault")
    for flag in ("--json", "--yes", "--password-stdin"):
        common.add_argument(flag, action="store_true")
    root = argparse.ArgumentParser()
    cli.add_parser(root.add_subparsers(required=True), common)

    def run(*argv):
        args = root.parse_args(["policy", *map(str, argv)])
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


def test_apply_puts_in_force_and_explain_reads_it_without_unlocking(run, vault, good, capsys):
    assert run("apply", good, "--yes") == 0
    assert "Policy 1 is in force" in capsys.readouterr().out
    assert run("explain", "--as", "ed", "--dataset", "patients") == 0
    said = capsys.readouterr().out
    assert "ed gets patients as masked." in said
    assert "Shown as a pseudonym, by rule masked, because it is tagged direct." in said
    assert "no tag" in said
    assert vault.unlocked == [True, False]


def test_explain_says_what_is_missing(run, vault, good, capsys):
    assert run("explain", "--as", "ed", "--dataset", "patients", "--guard", "G1", "--file", good) == 0
    said = capsys.readouterr().out
    assert "ed gets nothing of patients." in said
    assert "This needs guard G3; this kernel is G1." in said
    run("explain", "--as", "ed", "--dataset", "patients", "--guard", "G1", "--file", good, "--json")
    assert json.loads(capsys.readouterr().out)["decision"]["view"] is None


def test_apply_without_a_terminal_and_without_yes_changes_nothing(run, vault, good):
    with pytest.raises(InvalidRequestError):
        run("apply", good)
    assert vault.policies.current()[0] == 0


def test_apply_of_a_faulty_file_does_not_open_the_vault(run, vault, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("x = 1")
    with pytest.raises(PolicyError):
        run("apply", path, "--yes")
    assert vault.unlocked == []
