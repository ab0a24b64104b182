"""Every `jupyter secure` command in README and docs/operating.md is typed, in order, on a real terminal."""

import os
import re
import sys
from pathlib import Path

import pexpect
import pytest

from jupyter_secure.testing.postgres import OWNER, PostgresServer, programs
from tests.integration.server_process import REPOSITORY

pytestmark = pytest.mark.slow

PASSPHRASE = "a passphrase for tests"
PASSWORD = "a password for ann"
POLICY = """
[dataset.patients]
privacy_unit = "patient_id"
[dataset.patients.tags]
patient_id = "direct"
name = "direct"
zip = "quasi"
age = "quasi"
cost = "measure"

[[rule]]
id = "scientists-get-masked"
to = ["role:scientist"]
datasets = ["patients"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize", measure = "keep" }
"""
ANSWERS = [
    (r"new passphrase: $", PASSPHRASE),
    (r"password for ann: $", PASSWORD),
    (r"assphrase: $", PASSPHRASE),
    (r"y/N\] $", "y"),
]
# Run elsewhere: the demo's server, CI itself, the wheel in an empty environment.
ELSEWHERE = re.compile(r"make (lab|test)|pip install|jupyter lab$")


def commands(page):
    blocks = re.findall(r"```sh\n(.*?)```", (REPOSITORY / page).read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not ELSEWHERE.match(line)]


@pytest.fixture
def home(tmp_path):
    rows = "\n".join(f"P{n:04},Person {n},{10000 + n},{n % 90},{n * 1.5}" for n in range(200))
    (tmp_path / "patients.csv").write_text(f"patient_id,name,zip,age,cost\n{rows}\n")
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


@pytest.fixture
def database():
    """What a shell needs to be the administrator of a PostgreSQL server that trusts it."""
    with PostgresServer(durable=False) as server:
        yield {"PGHOST": str(server.folder), "PGUSER": OWNER, "PATH": f"{programs()}:{os.environ['PATH']}"}


def type_it(command, home, more=None):
    """Type a command and answer what it asks; return what it showed."""
    environment = {**os.environ, **(more or {})}
    environment |= {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    terminal = pexpect.spawn("/bin/sh", ["-c", command], env=environment, cwd=str(home), encoding="utf-8", timeout=60)
    shown, said = "", {}
    while True:
        place = terminal.expect([*(pattern for pattern, _ in ANSWERS), "same again: $", pexpect.EOF])
        shown += terminal.before + (terminal.after if isinstance(terminal.after, str) else "")
        if place == len(ANSWERS) + 1:
            terminal.close()
            return terminal.exitstatus, shown
        answer = said["last"] if place == len(ANSWERS) else ANSWERS[place][1]
        said["last"] = answer
        terminal.sendline(answer)


@pytest.mark.parametrize("page", ["README.md", "docs/operating.md"])
def test_the_commands_work_in_their_order(page, home, database):
    typed = commands(page)
    assert len(typed) >= 4
    if not any("init" in command for command in typed[:1]):
        pytest.fail(f"{page} begins without `jupyter secure init`")
    for command in typed:
        status, shown = type_it(command, home, database)
        assert status == 0, f"{command}\n{shown}"
        assert PASSPHRASE not in shown
        assert PASSWORD not in shown


def test_a_wrong_passphrase_changes_nothing(home):
    type_it("jupyter secure init", home)
    status, shown = type_it(
        "printf 'not the passphrase\\n' | jupyter secure seal patients.csv --name patients --yes --password-stdin", home
    )
    assert status == 1
    assert "does not open the vault" in shown
    assert type_it("jupyter secure datasets --json", home)[1].strip() == "[]"


def test_a_broken_row_is_named_by_its_number_and_nothing_is_sealed(home):
    lines = (home / "patients.csv").read_text().splitlines()
    lines[120] = "P9999,Secret Name,12345"
    (home / "patients.csv").write_text("\n".join(lines))
    type_it("jupyter secure init", home)
    status, shown = type_it("jupyter secure seal patients.csv --name patients --yes", home)
    assert status == 1
    assert "121" in shown
    assert "Secret" not in shown
    assert type_it("jupyter secure datasets --json", home)[1].strip() == "[]"
    assert not list((home / ".local/share/jupyter-secure/vault/datasets").rglob("*.parquet"))


def test_a_bad_policy_is_refused_with_line_and_field(home):
    type_it("jupyter secure init", home)
    (home / "policy.toml").write_text(POLICY.replace('view = "masked"', 'vew = "masked"'))
    status, shown = type_it("jupyter secure policy apply policy.toml", home)
    assert status == 1
    assert re.search(r"line \d+.*vew", shown)


def test_an_old_python_is_told_what_to_do(home):
    old = home / "python3.10"
    old.write_text("#!/bin/sh\n[ \"$1\" = -V ] && echo 'Python 3.10.12' || exit 1\n")
    old.chmod(0o755)
    status, shown = type_it(f"sh {REPOSITORY}/setup/python.sh {old} {home}/venv", home)
    assert status == 1
    assert "3.11 or newer" in shown
