"""A guarded kernel gains no privilege and reaches little of the operating system's own surface."""

import os

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers of x86_64"),
]

# Number and arguments, and the error that the filter gives (1 EPERM, 38 ENOSYS).
CALLS = {
    "unshare a user namespace": ("272, 0x10000000", 1),
    "clone a user namespace": ("56, 0x10000011, 0, 0, 0, 0", 1),
    "clone3": ("435, 0, 0", 38),
    "mount": ("165, b'none', b'/tmp', b'tmpfs', 0, 0", 1),
    "open_tree": ("428, -100, b'/', 1", 1),
    "fsopen": ("430, b'tmpfs', 0", 1),
    "setns": ("308, 0, 0", 1),
    "pivot_root": ("155, b'/', b'/'", 1),
    "chroot": ("161, b'/'", 1),
    "bpf": ("321, 0, 0, 0", 1),
    "perf_event_open": ("298, 0, 0, -1, -1, 0", 1),
    "userfaultfd": ("323, 0", 1),
    "io_uring_setup": ("425, 1, 0", 38),
    "keyctl": ("250, 0, -3, 0", 1),
    "add_key": ("248, b'user', b'a', b'b', 1, -3", 1),
    "open_by_handle_at": ("304, -100, 0, 0", 1),
    "kexec_load": ("246, 0, 0, 0, 0", 1),
    "init_module": ("175, 0, 0, b''", 1),
    "personality": ("135, 0x0040000", 1),
    "iopl": ("172, 3", 1),
    "push a character into a terminal": ("16, 0, 0x5412, b'x'", 1),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_filter_answers(ground, call):
    arguments, expected = CALLS[call]
    code = f"import ctypes; c = ctypes.CDLL(None, use_errno=True); print(c.syscall({arguments}), ctypes.get_errno())"
    assert ground.inside(code).split() == ["-1", str(expected)]


def test_a_setuid_program_gives_nothing(ground):
    command = ["su", "-c", "cat /proc/self/status"]
    code = f"import subprocess; print(subprocess.run({command}, input=b'', capture_output=True, timeout=20))"
    said = ground.inside(code)
    assert "CapEff:\\t0000000000000000" in said or "CapEff" not in said


def test_no_capability_no_new_privileges_and_a_filter_are_seen_from_outside(ground):
    outside = ground.ask("report", kernel=ground.kernel)["outside"]
    assert (outside["NoNewPrivs"], outside["Seccomp"]) == ("1", "2")
    assert int(outside["CapEff"], 16) == 0


def test_a_core_dump_is_not_written(ground):
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"
    assert ground.inside(code).strip() == "(0, 0)"


def test_device_nodes_are_not_made(ground):
    ground.inside("import os, stat; os.mknod('disk', 0o600 | stat.S_IFBLK, os.makedev(254, 0))")
    assert not (ground.work / "disk").exists()


def test_kernel_settings_are_not_written(ground):
    code = "import os; os.close(os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)); print('opened')"
    assert "opened" not in ground.inside(code)


def test_the_level_reported_is_the_level_asked_for(ground):
    report = ground.ask("report", kernel=ground.kernel)
    assert report["level"] == ground.level
    assert all(report["canaries"].values())


LEAVE = """
import glob, os
places = glob.glob("/sys/fs/cgroup/cgroup.procs") + glob.glob("/sys/fs/cgroup/*/cgroup.procs")
for place in places:
    try:
        with open(place, "w") as file:
            file.write("0")
        print("moved")
    except OSError as error:
        print("refused", error.errno)
    try:
        os.mkdir(os.path.dirname(place) + f"/jsec-made-by-{os.getpid()}")
        print("made")
    except OSError as error:
        print("refused", error.errno)
"""


def test_it_cannot_leave_its_cgroup_or_make_one(ground):
    said = ground.inside(LEAVE)
    assert "moved" not in said
    assert "made" not in said
    assert "refused" in said
