"""Each wall alone, in a process of its own: what it stops, and that the canaries can tell."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_secure.guard import probe
from jupyter_secure.guard.bait import Bait
from jupyter_secure.guard.confinement import LAUNCHER
from jupyter_secure.guard.wall import landlock

FOLDER = str(Path(LAUNCHER).parent)


def isolated(code, *arguments):
    """Run code as the launcher runs: isolated, without the project; `wall` is importable."""
    head = f"import sys; sys.path.append({FOLDER!r})\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", head + code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_walls_load_without_the_project_and_load_little():
    loaded = isolated("from wall import steps; print(*sys.modules)").split()
    assert not [name for name in loaded if name.startswith("jupyter_secure")]
    assert not set(loaded) & {"json", "re", "socket", "pathlib", "subprocess", "site", "typing"}


def test_a_file_in_the_current_folder_does_not_stand_in_for_a_module(tmp_path):
    (tmp_path / "marshal.py").write_text("raise SystemExit('hijacked')")
    (tmp_path / "ctypes.py").write_text("raise SystemExit('hijacked')")
    done = subprocess.run(
        [sys.executable, "-I", "-S", LAUNCHER],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "usage" in done.stderr) == (126, True)


def test_the_canaries_get_out_where_there_is_no_wall(tmp_path):
    with Bait([str(tmp_path.parent)], str(tmp_path)) as bait:
        code = """
import json, os
from wall import canaries
print(json.dumps(canaries.attempt(json.loads(sys.argv[1]), os.uname().machine)))
"""
        stopped = json.loads(isolated(code, json.dumps(bait.described)))
        touched = bait.touched()
    reached = {name for name, held in stopped.items() if not held}
    assert {
        "tcp",
        "udp",
        "unix_path",
        "unix_abstract",
        "secret_read",
        "secret_write",
        "secret_chmod",
        "folder_list",
    } <= reached
    assert {"secret_truncate", "folder_write", "code_write", "hidden", "environ", "signal", "prlimit"} <= reached
    assert {"tcp", "udp", "unix_path", "unix_abstract", "secret_truncate", "folder_write", "code_write"} <= touched


@pytest.mark.parametrize(
    ("there", "given", "stopped"),
    [
        (["hidden/kernels/bash/kernel.json"], ["hidden/kernels/bash"], True),
        (["hidden/kernels/bash/kernel.json", "hidden/kernels/other/kernel.json"], ["hidden/kernels/bash"], False),
        (["hidden/kernels/bash/kernel.json", "hidden/secret"], ["hidden/kernels/bash"], False),
        (["hidden/kernels/bash-2/kernel.json"], ["hidden/kernels/bash"], False),
        (["hidden/secret"], [], False),
        (["elsewhere"], [], True),
    ],
)
def test_of_a_hidden_folder_only_the_way_to_what_was_given_may_be_seen(tmp_path, there, given, stopped):
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "hidden").mkdir(exist_ok=True)
    paths = json.dumps([str(tmp_path / name) for name in given])
    code = """
import json
from wall import canaries
print(canaries._stopped(canaries._list, sys.argv[1], json.loads(sys.argv[2])))
"""
    assert isolated(code, str(tmp_path / "hidden"), paths).strip() == str(stopped)


def test_the_bait_is_gone_afterwards(tmp_path):
    with Bait([], str(tmp_path)) as bait:
        folder = bait.folder
        assert bait.touched() == set()
    assert not folder.exists()


def test_a_changed_mode_is_seen_from_outside(tmp_path):
    with Bait([], str(tmp_path)) as bait:
        (bait.folder / "secret").chmod(0o644)
        assert bait.touched() == {"secret_chmod"}


@pytest.mark.skipif(not probe.host().landlock, reason="LOUD SKIP, this kernel has no Landlock")
def test_landlock_gives_what_is_named_and_nothing_else(tmp_path):
    for name in ("read", "write", "none"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    code = f"""
import os
from wall import landlock, process
process.no_new_privileges()
rules = [({str(tmp_path / "read")!r}, "ro"), ({str(tmp_path / "write")!r}, "rw"), ("/missing", "rw")]
landlock.restrict(rules, network=False)
for name in ("read", "write", "none"):
    for mode in ("r", "a"):
        try:
            open(os.path.join({str(tmp_path)!r}, name, "file"), mode).close()
            print(name, mode)
        except OSError:
            pass
"""
    assert isolated(code).splitlines() == ["read r", "write r", "write a"]


@pytest.mark.skipif(
    probe.host().landlock < 7, reason="LOUD SKIP, this kernel's Landlock is older than the newest known"
)
@pytest.mark.parametrize("abi", range(1, 8))  # what 9 handles more, this kernel may not know
def test_each_version_of_landlock_is_used_as_far_as_it_goes(tmp_path, abi):
    private = tmp_path / "private"
    private.write_text("x")
    code = f"""
import os
from wall import landlock, process
landlock.abi = lambda: {abi}
process.no_new_privileges()
print(landlock.restrict([("/usr", "ro")], network=False))
for name, attempt in {{
    "read": lambda: open({str(private)!r}),
    "signal": lambda: os.kill(os.getppid(), 0),
    "truncate": lambda: os.truncate({str(private)!r}, 0),
}}.items():
    try:
        attempt()
        print(name)
    except OSError:
        pass
"""
    expected = [str(abi), *(["signal"] if abi < 6 else []), *(["truncate"] if abi < 3 else [])]
    assert isolated(code).split() == expected


# File rights, TCP, scopes, bytes of the structure: from `linux/landlock.h` of the releases that brought each ABI.
ALONE = {
    1: (0x1FFF, 0, 0, 8),
    2: (0x3FFF, 0, 0, 8),
    3: (0x7FFF, 0, 0, 8),
    4: (0x7FFF, 3, 0, 16),
    5: (0xFFFF, 3, 0, 16),
    6: (0xFFFF, 3, 3, 24),
    7: (0xFFFF, 3, 3, 24),
    8: (0xFFFF, 3, 3, 24),
    9: (0x1FFFF, 3, 3, 24),
    10: (0x1FFFF, 3, 3, 24),
}


@pytest.mark.parametrize("abi", ALONE)
def test_what_a_ruleset_handles_under_each_version(abi):
    for network in (False, True):
        rights, size = landlock.attribute(abi, network=network)
        files, tcp, scopes, expected = ALONE[abi]
        if network:  # of its own: sockets lead nowhere but to what the guard put there
            files, tcp = files & 0xFFFF, 0
        assert (rights.access_fs, rights.access_net, rights.scoped, size) == (files, tcp, scopes, expected)


def test_no_rule_grants_what_only_a_later_version_handles_or_makes_devices():
    makes_devices = landlock.MAKE_CHAR | landlock.MAKE_BLOCK
    for rights in landlock.RIGHTS.values():
        assert not rights & (landlock.RESOLVE_UNIX | makes_devices)


def test_capabilities_are_gone_for_ever_and_only_named_descriptors_stay():
    if os.getuid() != 0:
        pytest.skip("needs capabilities to give up")
    code = """
import os
from wall import process
kept, lost = os.open("/dev/null", 0), os.open("/dev/null", 0)
process.close_all_but([kept])
process.drop_capabilities()
print(open("/proc/self/status").read())
print("open", [fd for fd in range(3, 20) if os.path.exists(f"/proc/self/fd/{fd}")], kept)
"""
    said = isolated(code)
    for field in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{field}:\t0000000000000000" in said
    kept = said.split("open ")[1].split()
    assert kept[-1] in kept[0]


def test_the_supervisor_ends_what_detached_and_hands_on_the_exit_status():
    mark = f"orphan-{os.getpid()}-{time.monotonic_ns()}"
    code = f"""
import os, subprocess, sys
from wall import supervisor
supervisor.split(0)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", {mark!r}], start_new_session=True)
os._exit(7)
"""
    head = f"import sys; sys.path.append({FOLDER!r})\n"
    reading, writing = os.pipe()
    done = subprocess.run([sys.executable, "-I", "-c", head + code], stdin=reading, timeout=60, check=False)
    os.close(reading)
    os.close(writing)
    assert done.returncode == 7
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if mark.encode() in _read(path)]


def test_the_supervisor_ends_the_kernel_when_its_leash_is_let_go():
    reading, writing = os.pipe()
    code = f"""
from wall import supervisor
supervisor.split({reading})
import time
time.sleep(300)
"""
    head = f"import sys; sys.path.append({FOLDER!r})\n"
    process = subprocess.Popen([sys.executable, "-I", "-c", head + code], pass_fds=[reading])
    os.close(reading)
    time.sleep(0.3)
    assert process.poll() is None
    os.close(writing)
    assert process.wait(60) == 1


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""
