"""The whole catalogue of attempts, as an ordinary person and as whoever runs the tests; and the table that shows it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

from jupyter_secure.cli.main import main
from jupyter_secure.guard.attempt.ground import Ground
from jupyter_secure.guard.attempt.trial import CATALOGUE
from tests.attacks.confined import UID, as_person, unavailable
from tests.attacks.guard.table import render

pytestmark = pytest.mark.slow
PAGE = pathlib.Path(__file__).parents[3] / "docs" / "guard-attempts.md"
SIZES = {"network": 17, "files": 18, "tamper": 9, "process": 13, "persistence": 13, "privilege": 12, "resources": 4}
# What even a kernel without walls reaches only on some computers.
HOST_DEPENDENT = {
    "interfaces", "vsock", "ping", "io_uring", "io_uring_socket", "keyring", "sysv_memory", "user_namespace",
    "user_namespace_clone3", "setns", "userfaultfd", "setuid_program", "core_dump", "starve_broker",
}  # fmt: skip


def attack(who, *arguments):
    """Run the command; return its status, what it printed and what it said of an error."""
    command = [sys.executable, "-m", "jupyter_secure.cli.main", "attack", *arguments]
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, UID if who == "person" and os.getuid() == 0 else -1, -1)
        done = subprocess.run(
            as_person(command) if who == "person" and os.getuid() == 0 else command,
            env={"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def trials():
    """The verdicts by level and person; each is tried once."""
    made = {}

    def trial(level, who):
        if why := unavailable(level, "self" if who == "person" and os.getuid() else who):
            (pytest.fail if "CI" in os.environ else pytest.skip)(why)
        if (level, who) not in made:
            status, printed, said = attack(who, "--level", level, "--json")
            assert printed, said
            found = json.loads(printed)
            assert found["level"] == level
            made[level, who] = status, {(each["kind"], each["name"]): each for each in found["attempts"]}
        return made[level, who]

    return trial


def got_there(found):
    return {name for (_, name), each in found.items() if each["verdict"] in {"open", "reached"}}


def test_the_catalogue_has_every_class_in_full():
    assert {kind: len(attempts) for kind, attempts in CATALOGUE.items()} == SIZES
    assert all(len({each.name for each in attempts}) == len(attempts) for attempts in CATALOGUE.values())


@pytest.mark.parametrize("who", ["person", "self"])
@pytest.mark.parametrize("level", ["G3", "G2"])
def test_nothing_gets_through_but_what_the_level_says(trials, level, who):
    status, found = trials(level, who)
    assert {name for name, each in found.items() if each["verdict"] == "reached"} == set()
    assert status == 0
    assert len(found) == sum(SIZES.values())


def test_at_g3_only_the_work_folder_is_written_and_filled(trials):
    assert got_there(trials("G3", "person")[1]) == {"nbconvert_template", "many_files"}


def test_the_attempts_work_where_no_walls_are(trials):
    """An attempt that could not succeed anyway would prove nothing."""
    _, found = trials("G0", "person")
    shown = {line.split("`")[1] for line in PAGE.read_text().splitlines() if "| reached |" in line}
    assert len(shown) >= 70
    assert shown - got_there(found) <= HOST_DEPENDENT


def test_the_table_shows_these_verdicts(trials):
    page = PAGE.read_text()
    live = {level: trials(level, "person")[1] for level in ("G2", "G3")}
    # What this computer permits without walls need not be what that of the page permits: taken as the page says.
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    plain = {row[0].strip("| `"): row[2] for row in rows}
    names = {key: {"verdict": plain[key[1]], "instead": ""} for key in live["G3"]}
    assert render({"G0": names, **live}).strip() in page, "make the page anew: python -m tests.attacks.guard.table"


def test_one_class_or_attempt_can_be_chosen():
    status, printed, _ = attack("self", "--only", "tcp", "--only", "files/ledger", "--json")
    assert status == 0
    assert [each["name"] for each in json.loads(printed)["attempts"]] == ["tcp", "ledger"]
    status, printed, _ = attack("self", "--only", "resources")
    assert status == 0
    assert "resources: a kernel takes more than its share" in printed
    assert printed.count("\n  ") == 4


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_wrong_name_is_said(form):
    status, printed, said = attack("self", "--only", "telepathy", *form)
    assert (status, printed) == (2, "")
    assert "There is no class or attempt called telepathy" in said
    assert "Traceback" not in said


def test_what_cannot_be_laid_out_is_said(monkeypatch, capsys):
    def nowhere(_):
        raise PermissionError(13, "/somewhere/private")

    monkeypatch.setattr(Ground, "_lay", nowhere)
    assert main(["attack", "--only", "tcp"]) == 2
    said = capsys.readouterr().err
    assert "could not be laid out" in said
    assert "private" not in said


def test_an_unknown_level_is_a_wrong_call():
    status, _, said = attack("self", "--level", "G7")
    assert status == 2
    assert "G7" in said


@pytest.mark.skipif(os.getuid() != 0, reason="about root")
def test_root_is_refused_without_walls():
    status, printed, said = attack("self", "--level", "G0")
    assert (status, printed) == (2, "")
    assert "as an ordinary person" in said


@pytest.mark.skipif(not shutil.which("bwrap"), reason="about bubblewrap")
def test_nothing_is_tried_when_the_walls_are_not_the_level(tmp_path):
    """bubblewrap that shares the network makes less than G3; the attempts must not begin."""
    tools = tmp_path / "bin"
    tools.mkdir()
    fake = tools / "bwrap"
    sift = 'for a; do shift; [ "$a" = --unshare-net ] || set -- "$@" "$a"; done'
    fake.write_text(f'#!/bin/sh\n{sift}\nexec {shutil.which("bwrap")} "$@"\n')
    fake.chmod(0o755)
    command = [sys.executable, "-m", "jupyter_secure.cli.main", "attack", "--level", "G3"]
    env = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Nothing was tried" in done.stderr or "could not be built" in done.stderr
