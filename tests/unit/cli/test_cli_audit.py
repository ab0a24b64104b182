"""`jupyter secure audit` on a real vault, and on a copy of it."""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import sqlite3

import pytest

from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.keys.signing import Signer
from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.folder import VaultFolder
from jupyter_secure.cli import audit
from jupyter_secure.protocol.errors import InputFileError, InstallationError, InvalidRequestError
from jupyter_secure.protocol.record import Header, Kind, Personal

SIGNER = Signer(b"s" * 32)
KEY = base64.b64encode(SIGNER.public).decode()


@pytest.fixture
def vault(tmp_path):
    folder = VaultFolder.create(tmp_path / "vault", {"log_key": KEY})
    engine = database.open_database(folder.database_url)
    database.create(engine)
    with AuditLog(engine, SIGNER, lambda: 1, anchor=folder.checkpoint_path) as log:
        log.append(Header(time=1, kind=Kind.LOGIN, outcome="done"), Personal(user="ann"))
        header = Header(time=2, kind=Kind.LOAD_DELIVERED, outcome="done", dataset="patients", version=1, rung="masked")
        log.append(header, Personal(user="bob", notebook="a\x1b[2J.ipynb"))
        log.append(Header(time=3, kind=Kind.LOGIN, outcome="done"), Personal(user="eve"))
        log.erase(2, Personal(user="officer"))
    engine.dispose()
    return folder.path


def run(*arguments: object) -> int:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--vault")
    common.add_argument("--json", action="store_true")
    root = argparse.ArgumentParser()
    audit.add_parser(root.add_subparsers(), common)
    args = root.parse_args(["audit", *map(str, arguments)])
    return args.run(args)


def test_a_good_log_verifies(vault, capsys):
    assert run("verify", "--vault", vault) == 0
    assert "The log verifies." in capsys.readouterr().out


def test_a_price_that_was_asked_is_told_from_a_question(tmp_path, capsys):
    folder = VaultFolder.create(tmp_path / "vault", {"log_key": KEY})
    engine = database.open_database(folder.database_url)
    database.create(engine)
    with AuditLog(engine, SIGNER, lambda: 1, anchor=folder.checkpoint_path) as log:
        for extra in ({}, {"preview": "yes"}):
            log.append(Header(time=1, kind=Kind.QUERY_DECIDED, outcome="permitted", extra=extra), Personal(user="ann"))
    engine.dispose()
    assert run("show", "--vault", folder.path) == 0
    priced, asked = sorted(capsys.readouterr().out.splitlines()[1:], key=lambda line: "(price)" not in line)
    assert "query.decided (price)" in priced
    assert "(price)" not in asked


def test_a_copy_that_others_may_read_verifies_too(vault, tmp_path):
    shutil.copytree(vault, tmp_path / "copy")
    (tmp_path / "copy").chmod(0o755)
    assert run("verify", "--vault", tmp_path / "copy") == 0


def test_a_copy_that_cannot_be_written_verifies_too(vault, tmp_path):
    shutil.copytree(vault, tmp_path / "copy")
    for path in (tmp_path / "copy").glob("store.sqlite-*"):
        path.unlink()
    (tmp_path / "copy" / "store.sqlite").chmod(0o400)
    (tmp_path / "copy").chmod(0o500)
    assert run("verify", "--vault", tmp_path / "copy") == 0
    (tmp_path / "copy").chmod(0o700)


def test_verification_changes_no_file(vault):
    before = {path.name: path.read_bytes() for path in vault.iterdir() if path.is_file()}
    run("verify", "--vault", vault)
    after = {path.name: path.read_bytes() for path in vault.iterdir() if path.is_file()}
    assert {name: after[name] for name in ("store.sqlite", "checkpoint.note", "vault.json")} == {
        name: before[name] for name in ("store.sqlite", "checkpoint.note", "vault.json")
    }


def test_a_changed_log_does_not_verify(vault, capsys):
    with sqlite3.connect(vault / "store.sqlite") as shell:
        shell.execute("DROP TRIGGER audit_entries_only_erased")
        shell.execute("UPDATE audit_entries SET header = replace(header, 'done', 'failed') WHERE seq = 0")
    shell.close()
    assert run("verify", "--vault", vault) == 1
    printed = capsys.readouterr().err
    assert "edited: Entry 0 was changed" in printed
    assert "The log does not verify." in printed


def test_verification_speaks_json(vault, capsys):
    assert run("verify", "--vault", vault, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verified"], found["entries"], found["signed"], found["erased"]) == (True, 4, 4, 1)
    assert (found["problems"], found["key"]) == ([], KEY)


def test_a_log_without_its_remembered_checkpoint_is_not_called_good(vault, capsys):
    kept = (vault / "checkpoint.note").rename(vault.parent / "kept.note")
    assert run("verify", "--vault", vault) == 1
    assert "cut off" in capsys.readouterr().err
    assert run("verify", "--vault", vault, "--checkpoint", kept) == 0


def test_another_key_than_the_vault_s_own_word_can_be_demanded(vault, capsys):
    other = base64.b64encode(Signer(b"o" * 32).public).decode()
    assert run("verify", "--vault", vault, "--key", other) == 1
    assert "bad_signature" in capsys.readouterr().err
    assert run("verify", "--vault", vault, "--key", KEY) == 0


@pytest.mark.parametrize("key", ["short", "AAAA", "A" * 45])
def test_a_malformed_key_is_a_clear_answer(vault, key):
    with pytest.raises(InvalidRequestError, match="public key"):
        run("verify", "--vault", vault, "--key", key)


def test_a_missing_vault_or_checkpoint_is_a_clear_answer(vault, tmp_path):
    with pytest.raises(InstallationError):
        run("verify", "--vault", tmp_path / "nothing")
    with pytest.raises(InputFileError):
        run("verify", "--vault", vault, "--checkpoint", tmp_path / "nothing")


def test_entries_are_shown_newest_first_and_cannot_move_the_cursor(vault, capsys):
    assert run("show", "--vault", vault) == 0
    printed = capsys.readouterr().out
    titles, *lines = printed.splitlines()
    assert titles.split() == ["no", "time", "what", "outcome", "who", "notebook", "data"]
    assert [line.split()[0] for line in lines] == ["3", "2", "1", "0"]
    assert "(erased)" in lines[1]
    assert "patients v1 masked" in lines[2]
    assert "\x1b" not in printed


def test_entries_are_shown_by_person_kind_and_page(vault, capsys):
    for arguments, numbers in (
        (["--user", "bob"], [1]),
        (["--kind", "login", "--kind", "entry.erased"], [3, 2, 0]),
        (["--dataset", "patients"], [1]),
        (["--before", "2"], [1, 0]),
        (["--limit", "1"], [3]),
        (["--limit", "0"], [3, 2, 1, 0]),
    ):
        assert run("show", "--vault", vault, "--json", *arguments) == 0
        assert [entry["seq"] for entry in json.loads(capsys.readouterr().out)] == numbers


@pytest.mark.parametrize("arguments", [[], ["verify", "--what"], ["show", "--kind", "x"], ["show", "--limit", "x"]])
def test_a_wrong_call_ends_with_status_2(vault, arguments):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
