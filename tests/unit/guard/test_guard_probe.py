"""What the host can enforce, found by trying: hosts that lack a part are simulated by giving a process such a part."""

import json
import os
import subprocess
import sys

import pytest

from jupyter_secure.guard import probe
from jupyter_secure.guard.plan import Stack

ASK = """
import json
from jupyter_secure.guard import probe
host = probe.host()
best, tried = host.best, host.bubblewrap
print(json.dumps([best.value if best else None, tried.why, tried.no_nested, host.shortcomings()]))
"""


def ask(path, before=""):
    done = subprocess.run(
        [sys.executable, "-c", before + ASK], env={"PATH": str(path)}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def fake(folder, script):
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return folder


def test_no_bubblewrap_is_said_with_the_cure(tmp_path):
    best, why, _, sentences = ask(tmp_path)
    assert (best, why) == ("launcher", "bubblewrap is not installed")
    assert any("apt install bubblewrap" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("bwrap: setting up uid map: Permission denied", "AppArmor"),
        ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "AppArmor"),
        ("bwrap: No permissions to create new namespace, likely because...", "user namespaces are refused"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "masks /proc"),
        ("bwrap: something new", "something new"),
    ],
)
def test_why_bubblewrap_fails_is_told_apart(tmp_path, said, why):
    best, found, _, sentences = ask(fake(tmp_path, f'echo "{said}" >&2; exit 1'))
    assert best == "launcher"
    assert why in found
    assert any("Cure" in sentence for sentence in sentences)


def test_an_old_bubblewrap_is_used_without_the_option_it_does_not_know(tmp_path):
    script = 'case "$*" in *--disable-userns*) echo "Unknown option --disable-userns" >&2; exit 1;; esac'
    best, why, no_nested, _ = ask(fake(tmp_path, script))
    assert (best, why, no_nested) == ("bubblewrap", "", False)


def test_a_setuid_bubblewrap_is_not_used(tmp_path):
    folder = fake(tmp_path, "exit 0")
    (folder / "bwrap").chmod(0o4755)
    best, why, _, sentences = ask(folder)
    assert best == "launcher"
    assert "setuid root" in why
    assert any("chmod u-s" in sentence for sentence in sentences)


@pytest.mark.parametrize(("abi", "lacks"), [(1, 4), (2, 3), (3, 2), (4, 2), (5, 1), (6, 0), (7, 0), (8, 0), (9, 0)])
def test_what_an_older_landlock_lacks_is_said_where_it_matters(abi, lacks):
    for works in (False, True):
        bubblewrap = probe.Bubblewrap("/b", works=works, why="not here", cure="install it")
        host = probe.Host("linux", "x86_64", abi, seccomp=True, bubblewrap=bubblewrap)
        said = [sentence for sentence in host.shortcomings() if sentence.startswith("Landlock before ABI")]
        assert len(said) == (0 if works else lacks)


def test_a_bubblewrap_that_anyone_can_change_is_not_used(tmp_path):
    folder = fake(tmp_path, "exit 0")
    (folder / "bwrap").chmod(0o777)
    assert ask(folder)[1] == "bubblewrap can be changed by other people"


def test_a_host_without_user_namespaces_falls_to_the_launcher():
    if not probe.host().bubblewrap.works:
        pytest.skip("this host is such a host")
    refuse = """
import errno, os
from jupyter_secure.guard.seccompfilter import ERRNO, ALLOW, EQUAL, LOAD, RETURN
import struct
from jupyter_secure.guard.syscalls import NUMBERS
from jupyter_secure.guard.wall import process, seccomp
machine = os.uname().machine
numbers = [NUMBERS[machine][name] for name in ("unshare", "clone3")]
code = [(LOAD, 0, 0, 0)]
for number in numbers:
    code += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | errno.EPERM)]
code += [(EQUAL, 0, 3, NUMBERS[machine]["clone"]), (LOAD, 0, 0, 16)]
code += [(0x45, 0, 1, 0x10000000), (RETURN, 0, 0, ERRNO | errno.EPERM)]
code.append((RETURN, 0, 0, ALLOW))
process.no_new_privileges()
seccomp.load(b"".join(struct.pack("=HBBI", *one) for one in code), machine)
"""
    best, why, _, sentences = ask(os.environ["PATH"], refuse)
    assert best == "launcher"
    assert "user namespaces" in why
    assert sentences


def test_another_system_is_told_what_it_gets():
    host = probe.Host("darwin", "", 0, seccomp=False, bubblewrap=probe.Bubblewrap("", works=False))
    assert host.best is None
    assert "Linux only" in host.shortcomings()[0]


def test_a_machine_without_a_filter_has_no_walls():
    host = probe.Host("linux", "riscv64", 7, seccomp=False, bubblewrap=probe.Bubblewrap("/usr/bin/bwrap", works=True))
    assert host.best is None


def test_the_strongest_stack_is_chosen():
    works, fails = probe.Bubblewrap("/b", works=True), probe.Bubblewrap("/b", works=False)
    assert probe.Host("linux", "x86_64", 7, seccomp=True, bubblewrap=works).best is Stack.BUBBLEWRAP
    assert probe.Host("linux", "x86_64", 7, seccomp=True, bubblewrap=fails).best is Stack.LAUNCHER
