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


def doctor(*arguments, before="", **environment):
    done = subprocess.run(
        [sys.executable, "-c", before + RUN, *arguments],
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


def test_what_it_prints_holds_no_path_of_the_person():
    _, said, error = doctor()
    assert str(Path.home()) not in said
    assert error == ""
