"""The owner's commands on a vault, called as a person or a script calls them."""

import io
import json
import sys

import pytest

from jupyter_secure.broker.vault import Vault
from jupyter_secure.cli import main as command
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.unsafe_keys import UnsafePassphraseProvider

PASSWORD = "another four words"
SECRET = "Ermintrude"


@pytest.fixture(autouse=True)
def only_these(monkeypatch):
    monkeypatch.setattr(command, "SUBCOMMANDS", ("init", "seal", "datasets", "verify", "user"))


@pytest.fixture
def path(tmp_path):
    Vault.create(tmp_path / "vault", PASSPHRASE, UnsafePassphraseProvider.scheme).close()
    return tmp_path / "vault"


@pytest.fixture
def csv(tmp_path):
    file = tmp_path / "people.csv"
    file.write_text(f"id,name,zip,cost,x\n1,{SECRET},02134,3.5,a\n2,Al,10115,4,b\n")
    return file


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command without a terminal; `typed` is standard input."""

    def run(*words, typed=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        status = command.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def at_terminal(monkeypatch, capsys):
    """Run a command at a terminal at which a person gives these answers, secrets and others alike, in order."""

    def run(*words, answers):
        left = list(answers)

        class Terminal(io.StringIO):
            def isatty(self):
                return True

        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr("builtins.input", lambda _="": left.pop(0))
        monkeypatch.setattr("getpass.getpass", lambda _="": left.pop(0))
        status = command.main([str(word) for word in words])
        assert left == [], "questions that were never asked"
        out, err = capsys.readouterr()
        return status, out, err

    return run


def seal(run, path, csv, *more):
    return run("seal", csv, "--name", "people", "--vault", path, "--password-stdin", *more, typed=PASSPHRASE + "\n")


def tags(path):
    with Vault.open_locked(path) as vault:
        return {column.name: column.tag for column in vault.catalog.latest("people").columns}


def test_init_makes_a_vault_that_the_passphrase_opens(run, tmp_path):
    status, out, _ = run("init", "--vault", tmp_path / "v", "--password-stdin", "--json", typed=PASSPHRASE + "\n")
    assert (status, json.loads(out)["remembered"]) == (0, False)
    with Vault.open_locked(tmp_path / "v") as vault:
        vault.unlock(PASSPHRASE)


def test_init_at_a_terminal_wants_the_passphrase_twice(at_terminal, tmp_path):
    status, _, err = at_terminal("init", "--vault", tmp_path / "v", answers=[PASSPHRASE, PASSPHRASE + "x"])
    assert (status, (tmp_path / "v").exists()) == (1, False)
    assert "not the same" in err


def test_init_without_terminal_or_input_says_what_to_do(run, tmp_path):
    status, _, err = run("init", "--vault", tmp_path / "v")
    assert (status, (tmp_path / "v").exists()) == (1, False)
    assert "--password-stdin" in err


def test_init_over_a_vault_changes_nothing(run, path):
    status, _, _ = run("init", "--vault", path, "--password-stdin", typed=PASSWORD + "\n")
    assert status == 1
    with Vault.open_locked(path) as vault:
        vault.unlock(PASSPHRASE)


def test_yes_accepts_the_suggestions_and_says_so(run, path, csv):
    status, out, _ = seal(run, path, csv, "--yes")
    assert status == 0
    assert "accepted unseen" in out
    assert tags(path) == {"id": "direct", "name": "direct", "zip": "quasi", "cost": "measure", "x": None}
    assert "denied to everybody: x." in out


def test_without_terminal_and_yes_only_given_tags_count(run, path, csv):
    status, out, _ = seal(run, path, csv, "--tag", "zip=quasi", "--json")
    answer = json.loads(out)
    assert status == 0
    assert answer["denied"] == ["id", "name", "cost", "x"]
    assert tags(path)["zip"] == "quasi"


def test_given_tags_win_over_suggestions(run, path, csv):
    seal(run, path, csv, "--yes", "--tag", "zip=public", "--tag", "id=none", "--tag", "x=measure")
    assert tags(path) == {"id": None, "name": "direct", "zip": "public", "cost": "measure", "x": "measure"}


def test_a_person_confirms_all_suggestions_at_once(at_terminal, path, csv):
    status, out, _ = at_terminal("seal", csv, "--name", "people", "--vault", path, answers=["y", PASSPHRASE])
    assert status == 0
    assert "suggested tag" in out
    assert tags(path)["name"] == "direct"


def test_a_person_who_does_not_confirm_is_asked_for_each(at_terminal, path, csv):
    answers = ["n", "", "sensitive", "none", "nonsense", "public", "public", PASSPHRASE]
    at_terminal("seal", csv, "--name", "people", "--vault", path, answers=answers)
    assert tags(path) == {"id": "direct", "name": "sensitive", "zip": None, "cost": "public", "x": "public"}


def test_the_stanza_is_a_piece_of_policy(run, path, csv):
    from jupyter_secure.broker.policy.compile import compile_text

    csv.write_text('name,"odd ""name"" é",b.c\n1,2,3\n')
    given = ["--tag", "name=direct", "--tag", 'odd "name" é=quasi', "--tag", "b.c=measure"]
    _, out, _ = seal(run, path, csv, *given, "--json")
    policy = compile_text(json.loads(out)["stanza"])
    assert policy.datasets["people"].tags == {"name": "direct", 'odd "name" é': "quasi", "b.c": "measure"}


@pytest.mark.parametrize("tag", ["nothing=direct", "zip=secret", "zip", "=direct"])
def test_a_tag_that_makes_no_sense_seals_nothing(run, path, csv, tag):
    status, _, err = seal(run, path, csv, "--tag", tag)
    assert status == 1
    assert "Nothing was sealed" in err
    assert not list((path / "datasets").glob("people"))


def test_a_broken_row_is_said_by_number_and_nothing_is_sealed(run, path, csv):
    csv.write_text(csv.read_text() + f"{SECRET}\n")
    status, out, err = seal(run, path, csv, "--yes")
    assert status == 1
    assert "Row 4 has 1 column instead of 5" in err
    assert SECRET not in out + err
    assert not list((path / "datasets").glob("people"))


def test_a_wrong_passphrase_seals_nothing(run, path, csv):
    status, _, err = run("seal", csv, "--name", "people", "--vault", path, "--password-stdin", typed="something else\n")
    assert status == 1
    assert "does not open the vault" in err
    assert not list((path / "datasets").glob("people"))


def test_no_output_of_sealing_holds_a_cell(run, path, csv):
    status, out, err = seal(run, path, csv, "--yes")
    assert status == 0
    assert SECRET not in out + err


def test_datasets_lists_what_is_sealed_without_a_passphrase(run, path, csv):
    seal(run, path, csv, "--yes")
    seal(run, path, csv, "--yes")
    status, out, _ = run("datasets", "--vault", path, "--json")
    [found] = json.loads(out)
    assert status == 0
    assert (found["dataset"], found["version"], found["rows"], found["denied"]) == ("people", 2, 2, 1)


def test_datasets_says_when_there_is_nothing(run, path):
    assert "Nothing is sealed yet" in run("datasets", "--vault", path)[1]


def test_a_damaged_manifest_is_listed_as_damaged(run, path, csv):
    seal(run, path, csv, "--yes")
    (path / "datasets/people/1/manifest.json").write_text("{}")
    status, out, _ = run("datasets", "--vault", path)
    assert status == 1
    assert "damaged" in out


def test_verify_decrypts_with_the_passphrase_and_says_when_it_did_not(run, path, csv):
    seal(run, path, csv, "--yes")
    status, out, _ = run("verify", "--vault", path)
    assert (status, "without decrypting" in out) == (0, True)
    status, out, _ = run("verify", "people", "--vault", path, "--password-stdin", typed=PASSPHRASE + "\n")
    assert (status, "every row decrypted" in out) == (0, True)


def test_verify_names_the_damaged_part_and_fails(run, path, csv):
    seal(run, path, csv, "--yes")
    part = path / "datasets/people/1/part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    status, out, _ = run("verify", "--vault", path)
    assert status == 1
    assert part.name in out
    status, out, _ = run("verify", "--vault", path, "--json")
    assert (status, json.loads(out)[0]["sound"]) == (1, False)


def test_verify_of_an_unknown_name_is_refused(run, path):
    status, _, err = run("verify", "nothing", "--vault", path)
    assert status == 1
    assert "jupyter secure datasets" in err


def test_an_account_is_added_listed_and_disabled_and_all_of_it_is_logged(run, path):
    status, _, _ = run(
        "user", "add", "ada", "--role", "scientist", "--display-name", "Ada L", "--vault", path, "--password-stdin",
        typed=PASSWORD + "\n",
    )  # fmt: skip
    assert status == 0
    assert run("user", "disable", "ada", "--vault", path)[0] == 0
    [account] = json.loads(run("user", "list", "--vault", path, "--json")[1])
    assert (account["name"], account["roles"], account["disabled"]) == ("ada", ["scientist"], True)
    with Vault.open_locked(path) as vault:
        entries = [entry for entry in reversed(vault.audit.entries()) if entry.header.kind.startswith("user.")]
    assert [(entry.header.kind, entry.header.outcome) for entry in entries] == [
        ("user.added", "permitted"), ("user.added", "done"), ("user.disabled", "permitted"), ("user.disabled", "done"),
    ]  # fmt: skip
    assert {entry.personal.user for entry in entries} == {"ada"}


def test_a_short_password_adds_nobody(run, path):
    status, _, err = run(
        "user", "add", "ada", "--role", "scientist", "--vault", path, "--password-stdin", typed="short\n"
    )
    assert status == 1
    assert "at least" in err
    assert json.loads(run("user", "list", "--vault", path, "--json")[1]) == []


def test_disabling_nobody_is_an_error(run, path):
    assert run("user", "disable", "nobody", "--vault", path)[0] == 1


def test_without_a_vault_every_command_says_so(run, tmp_path, csv):
    for words in (
        ("seal", csv, "--name", "p"),
        ("datasets",),
        ("verify",),
        ("user", "list"),
        ("user", "disable", "x"),
    ):
        status, _, err = run(*words, "--vault", tmp_path / "none")
        assert status == 1
        assert "jupyter secure init" in err


def test_an_escape_sequence_in_a_name_does_not_reach_the_terminal(capsys):
    from jupyter_secure.cli import tables

    tables.show(("name",), [["\x1b[2Jgone"]])
    assert "\x1b" not in capsys.readouterr().out
