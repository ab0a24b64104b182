"""A guarded kernel learns nothing of other processes, changes none of them and leaves none behind."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.attacks.confined import TOKEN

pytestmark = pytest.mark.slow


def test_the_servers_environment_is_not_inherited(ground):
    said = ground.inside("import os; print(dict(os.environ))")
    assert "PATH" in said
    assert TOKEN not in said
    assert "SSH_AUTH_SOCK" not in said


def test_the_servers_environment_is_not_read(ground):
    code = f"print(open('/proc/{ground.pid}/environ').read())"
    assert TOKEN in ground.outside(code)
    assert TOKEN not in ground.inside(code)


def test_no_other_process_shows_the_token(ground):
    code = """
import os
for name in os.listdir('/proc'):
    if name.isdigit():
        for file in ('environ', 'cmdline'):
            try:
                print(open(f'/proc/{name}/{file}', errors='replace').read())
            except OSError:
                pass
"""
    assert TOKEN not in ground.inside(code)


def test_the_memory_of_the_server_is_not_read(ground):
    code = f"""
import ctypes
print(open('/proc/{ground.pid}/maps').readline())
with open('/proc/{ground.pid}/mem', 'rb') as memory:
    print('opened')
"""
    assert "opened" in ground.outside(code)
    assert "opened" not in ground.inside(code)


CALLS = {
    "ptrace": "c.ptrace(0x4206, {pid}, 0, 0)",
    "pidfd_getfd": "c.syscall(438, c.syscall(434, {pid}, 0), 1, 0)",
    "process_vm_readv": "c.syscall(310, {pid}, 0, 0, 0, 0, ctypes.c_long(0))",
    "prlimit": "c.syscall(302, {pid}, 1, 0, ctypes.create_string_buffer(16))",
    "kcmp": "c.syscall(312, {pid}, {pid}, 1, 0, 0)",
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers of x86_64")
@pytest.mark.parametrize("call", CALLS)
def test_a_call_on_the_server_fails(ground, call):
    code = (
        "import ctypes; c = ctypes.CDLL(None, use_errno=True); print('answer', "
        + CALLS[call].format(pid=ground.pid)
        + ")"
    )
    assert "answer -1" not in ground.outside(code)
    assert "answer -1" in ground.inside(code)


def test_no_signal_reaches_the_server(ground):
    # SIGWINCH does nothing to whoever gets it.
    number = int(signal.SIGWINCH)
    code = f"import os; os.kill({ground.pid}, {number}); print('sent')"
    assert "sent" in ground.outside(code)
    said = ground.inside(code)
    if "sent" in said:  # the same number may be another process in a namespace of its own
        assert ground.level == "G3"
        assert ground.ask("report", kernel=ground.kernel)["outside"]["ns_pid"] == "own"


@pytest.fixture
def reschedule(ground):
    """Change priority and processors of the server from inside; say what changed, and put it back."""

    def scheduling():
        return os.getpriority(os.PRIO_PROCESS, ground.pid), os.sched_getaffinity(ground.pid)

    before = scheduling()
    ground.inside(f"import os; os.setpriority(os.PRIO_PROCESS, {ground.pid}, {before[0] + 1})")
    ground.inside(f"import os; os.sched_setaffinity({ground.pid}, [{min(before[1])}])")
    yield before, scheduling()
    os.sched_setaffinity(ground.pid, before[1])


# A gap of G2, which the next test proves open and reported.
@pytest.mark.parametrize("ground", [("G3", "self"), ("G3", "person")], indirect=True, ids=["G3-self", "G3-person"])
def test_scheduling_of_the_server_is_not_changed(ground, reschedule):
    before, after = reschedule
    assert after == before


def test_what_a_kernel_without_namespaces_can_still_do_is_said(ground, reschedule):
    before, after = reschedule
    said = " ".join(ground.ask("report", kernel=ground.kernel)["missing"])
    assert ("priority" in said) == (ground.level == "G2")
    # A kernel that root started has given up its capabilities, and so may not touch a server that has them.
    ordinary = ground.who == "person" or os.getuid() != 0
    assert (after[0] != before[0]) == (ground.level == "G2" and ordinary)
    assert (after[1] != before[1]) == (ground.level == "G2" and ordinary and len(before[1]) > 1)


def test_only_its_own_descriptors_are_open(ground):
    code = """
import os
for fd in os.listdir('/proc/self/fd'):
    try:
        print(os.readlink(f'/proc/self/fd/{fd}'))
    except OSError:
        pass
"""
    targets = set(ground.inside(code).split())
    own = (str(ground.folder), "pipe:", "socket:", "anon_inode:", "/dev/null", "/proc/")
    assert {target for target in targets if not target.startswith(own)} == set()
    assert not any("memfd:policy" in target for target in targets)


def test_what_it_prints_goes_to_a_file_that_it_cannot_read(ground):
    said = ground.inside("import os; print(os.readlink('/proc/self/fd/0'), os.read(2, 10))")
    assert "Bad file descriptor" in said


def test_a_program_that_detaches_ends_with_the_kernel(ground):
    started = ground.ask("start")
    mark = f"survivor-{os.urandom(6).hex()}"
    code = f"""
import os, subprocess, sys
detach = 'import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(600)'
subprocess.Popen([sys.executable, '-c', detach, {mark!r}],
                 start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""
    ground.ask("run", kernel=started["kernel"], code=code)
    assert wait_until(lambda: len(processes(mark)) >= 1)
    ground.ask("stop", kernel=started["kernel"])
    assert wait_until(lambda: processes(mark) == []), processes(mark)
    assert not Path(started["folder"]).exists()


def processes(mark):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in words:
            found.append(path.parent.name)
    return found


def wait_until(condition, patience=60):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
