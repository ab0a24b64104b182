"""`jupyter secure doctor` measures this computer; computers that lack a part are simulated by a search path."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_secure.guard import probe

RUN = """
import argparse, sys
from jupyter_secure.cli import doctor
common = argparse.ArgumentParser(add_help=False)
common.add_argument("--json", action="store_true")
parser = argparse.ArgumentParser()
doctor.add_parser(parser.add_subparsers(), common)
args = parser.parse_args(["doctor", *sys.argv[1:]])
sys.exit(args.run(args))
"""


def doctor(*arguments, before="", inside=(), **environment):
    done = subprocess.run(
        [*inside, sys.executable, "-c", before + RUN, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(not probe.host().bubblewrap.works, reason="LOUD SKIP, bubblewrap does not work here")
def test_with_everything_in_place_it_measures_g3():
    status, said, _ = doctor("--json")
    found = json.loads(said)
    assert (status, found["level"], found["starts"], found["advice"]) == (0, "G3", True, [])
    assert found["stacks"]["bubblewrap"]["reached"] == []
    assert found["stacks"]["launcher"]["level"] == "G2"


@pytest.mark.skipif(not probe.host().landlock, reason="LOUD SKIP, this kernel has no Landlock")
def test_without_bubblewrap_it_measures_g2_and_says_what_to_install(tmp_path):
    status, said, _ = doctor(PATH=str(tmp_path))
    assert status == 0
    assert said.startswith("Kernels on this computer: G2")
    assert "apt install bubblewrap" in said


NO_LANDLOCK = """
import errno, os, struct
from jupyter_secure.guard.seccompfilter import ALLOW, EQUAL, ERRNO, LOAD, RETURN
from jupyter_secure.guard.wall import process, seccomp
process.no_new_privileges()
code = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, 444), (RETURN, 0, 0, ERRNO | errno.ENOSYS), (RETURN, 0, 0, ALLOW)]
seccomp.load(b"".join(struct.pack("=HBBI", *one) for one in code), os.uname().machine)
"""


def test_without_landlock_and_bubblewrap_kernels_do_not_start_and_it_says_why(tmp_path):
    status, said, _ = doctor("--json", before=NO_LANDLOCK, PATH=str(tmp_path))
    found = json.loads(said)
    assert (status, found["starts"], found["landlock"]) == (1, False, 0)
    assert found["level"] in {"G0", "G1"}
    assert any("No Landlock" in sentence for sentence in found["advice"])


@pytest.mark.skipif(not probe.host().bubblewrap.works, reason="LOUD SKIP, bubblewrap does not work here")
def test_without_landlock_bubblewrap_still_gives_g3_and_the_launcher_alone_does_not_do():
    status, said, _ = doctor("--json", before=NO_LANDLOCK)
    found = json.loads(said)
    assert (status, found["level"], found["landlock"]) == (0, "G3", 0)
    assert found["stacks"]["launcher"]["level"] in {"G0", "G1"}
    assert any("No Landlock" in sentence for sentence in found["advice"])


def test_what_it_prints_holds_no_path_of_the_person():
    _, said, error = doctor()
    assert str(Path.home()) not in said
    assert error == ""


OTHER_SYSTEM = """
import argparse, asyncio, json, subprocess, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {absent}:
            raise ModuleNotFoundError(name)
for name in {absent}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
sys.platform = {platform!r}
"""
OF_UNIX = ("fcntl", "grp", "pwd", "resource", "termios")


@pytest.mark.parametrize(("platform", "absent", "cure"), [("darwin", (), "macOS"), ("win32", OF_UNIX, "WSL2")])
def test_another_system_is_told_plainly_that_kernels_do_not_start_there(platform, absent, cure):
    before = OTHER_SYSTEM.format(absent=absent, platform=platform)
    status, said, error = doctor("--json", before=before)
    assert error == ""
    found = json.loads(said)
    assert (status, found["level"], found["starts"], found["system"]) == (1, "G0", False, platform)
    assert any("Linux only" in sentence and cure in sentence for sentence in found["advice"])


def bubblewrap_that_says(folder, said):
    program = folder / "bwrap"
    program.write_text(f'#!/bin/sh\necho "{said}" >&2\nexit 1\n')
    program.chmod(0o755)
    return str(folder)


@pytest.mark.skipif(not probe.host().landlock, reason="LOUD SKIP, this kernel has no Landlock")
@pytest.mark.parametrize(
    ("said", "why", "cure"),
    [
        ("bwrap: setting up uid map: Permission denied", "AppArmor", "bwrap-userns-restrict"),
        ("bwrap: No permissions to create new namespace", "as in most containers", "unprivileged_userns_clone"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "masks /proc", "unmasked /proc"),
    ],
)
def test_why_there_are_no_namespaces_is_told_and_kernels_start_at_g2(tmp_path, said, why, cure):
    status, printed, _ = doctor("--json", PATH=bubblewrap_that_says(tmp_path, said))
    found = json.loads(printed)
    assert (status, found["level"], found["bubblewrap"], list(found["stacks"])) == (0, "G2", None, ["launcher"])
    assert any(why in sentence and cure in sentence for sentence in found["advice"])


@pytest.mark.skipif(not probe.host().landlock, reason="LOUD SKIP, this kernel has no Landlock")
def test_a_setuid_bubblewrap_is_not_used_and_it_says_so(tmp_path):
    program = Path(bubblewrap_that_says(tmp_path, "never run")) / "bwrap"
    program.chmod(0o4755)
    status, said, _ = doctor(PATH=str(tmp_path))
    assert status == 0
    assert said.startswith("Kernels on this computer: G2")
    assert f"chmod u-s {program}" in said


@pytest.mark.skipif(not probe.host().bubblewrap.works, reason="LOUD SKIP, no user namespace to switch others off in")
def test_where_the_system_permits_no_user_namespaces_it_measures_g2():
    # The limit is the system's own; it is set for a namespace, below which there is none then.
    off = ["unshare", "-U", "-r", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]
    status, said, _ = doctor("--json", inside=off)
    found = json.loads(said)
    assert (status, found["level"], list(found["stacks"])) == (0, "G2", ["launcher"])
    assert any("raise `user.max_user_namespaces`" in sentence for sentence in found["advice"])


DOCUMENT = Path(__file__).parents[3] / "docs" / "guard.md"


@pytest.mark.parametrize("lacking", [False, True], ids=["here", "no bubblewrap"])
def test_the_fields_are_those_of_the_document(tmp_path, lacking):
    environment = {"PATH": str(tmp_path)} if lacking else {}
    found = json.loads(doctor("--json", **environment)[1])
    described = DOCUMENT.read_text().split("## What the doctor says as JSON")[1].split("\n## ")[0]
    kinds = {"text": str, "number": int, "yes or no": bool, "list of sentences": list, "list of names": list}
    kinds |= {"text or null": (str, type(None)), "object": dict}
    for shown, mark in [(found, "| `"), *((stack, "| `stacks.*.") for stack in found["stacks"].values())]:
        rows = [line for line in described.splitlines() if line.startswith(mark)]
        rows = [line for line in rows if mark != "| `" or not line.startswith("| `stacks.*.")]
        fields = {line.removeprefix(mark).split("`")[0]: line.split("|")[2].strip() for line in rows}
        assert set(fields) == set(shown)
        assert all(isinstance(shown[name], kinds[kind]) for name, kind in fields.items())
