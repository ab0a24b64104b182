"""`jupyter secure migrate`, and `init` with a database elsewhere."""

import io
import json
import subprocess

import pytest

from jupyter_secure.broker.store import database, migrations
from jupyter_secure.cli.main import main

PASSPHRASE = "correct horse battery"


@pytest.fixture
def empty(postgres):
    """An empty database, owned by one role; the broker is another."""
    postgres.sql("DROP ROLE IF EXISTS runner; CREATE ROLE runner LOGIN")
    with postgres.database() as url:
        yield url
        postgres.sql("DROP OWNED BY runner", url.partition("@/")[2].partition("?")[0])
    postgres.sql("DROP ROLE runner")


def as_runner(url):
    return url.replace("//owner@", "//runner@")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run a command on a vault of this test; return status, output and complaint."""

    def run(*words):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{PASSPHRASE}\n".encode())))
        status = main([*words, "--vault", str(tmp_path / "vault")])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_the_owner_migrates_and_the_broker_s_role_makes_the_vault(command, empty, tmp_path):
    status, said, _ = command("migrate", "--database", empty, "--grant-to", "runner", "--json")
    assert (status, json.loads(said)) == (0, {"before": None, "revision": migrations.head(), "granted": "runner"})
    status, _, complaint = command("init", "--database", as_runner(empty), "--password-stdin")
    assert status == 0, complaint
    assert not (tmp_path / "vault/store.sqlite").exists()
    described = json.loads((tmp_path / "vault/vault.json").read_text())
    assert described["database"].startswith("postgresql+psycopg://runner@/")
    status, said, _ = command("migrate")
    assert (status, "as it was" in said) == (0, True)
    assert command("audit", "verify")[0] == 0
    assert "vault.created" in command("audit", "show")[1]


def test_the_broker_s_role_alone_is_told_who_must_migrate(command, empty, tmp_path):
    status, _, complaint = command("init", "--database", as_runner(empty), "--password-stdin")
    assert (status, "jupyter secure migrate" in complaint) == (1, True)
    assert not (tmp_path / "vault").exists()


def test_a_password_in_the_url_is_refused_and_makes_nothing(command, tmp_path):
    status, said, complaint = command("init", "--database", "postgresql://a:hush@host/db", "--password-stdin")
    assert status == 1
    assert "PGPASSFILE" in complaint
    assert "hush" not in said + complaint
    assert not (tmp_path / "vault").exists()


def test_a_database_that_holds_a_vault_takes_no_second_one(command, empty, tmp_path):
    assert command("init", "--database", empty, "--password-stdin")[0] == 0
    (tmp_path / "vault").rename(tmp_path / "first")
    status, _, complaint = command("init", "--database", empty, "--password-stdin")
    assert (status, "keys of a vault already" in complaint) == (1, True)
    assert not (tmp_path / "vault").exists()


def test_what_is_printed_can_be_run_by_hand_and_changes_nothing_by_itself(command, empty, postgres):
    status, script, _ = command("migrate", "--database", empty, "--grant-to", "runner", "--print")
    assert status == 0
    engine = database.open_database(empty)
    assert database.revision(engine) is None
    engine.dispose()
    postgres.sql(script, empty.partition("@/")[2].partition("?")[0])
    with pytest.raises(subprocess.CalledProcessError):
        postgres.sql("DELETE FROM audit_entries", empty.partition("@/")[2].partition("?")[0], "runner")
    assert command("migrate", "--database", as_runner(empty))[0] == 0
    assert command("migrate", "--database", empty, "--print")[1] == ""


def test_a_vault_with_its_own_file_is_migrated_too(command):
    assert command("init", "--password-stdin")[0] == 0
    assert command("migrate")[0] == 0
    status, _, complaint = command("migrate", "--grant-to", "runner")
    assert (status, "no roles" in complaint) == (1, True)
