"""Ways to a privilege, or to a part of the kernel that ordinary code does not need; judged by what the system shows."""

from __future__ import annotations

import os
from typing import Any

from . import shown
from .attempt import Attempt, Evidence, holds


def _own_user_namespace(ground: Any, evidence: Evidence) -> bool:
    return any(shown.user_namespace(pid) not in {"", ground.usual_namespace} for pid in evidence.pids)


def _mounted(ground: Any, evidence: Evidence) -> bool:
    return ground.token in shown.mounts(evidence.pids)


def _became_root(_: Any, evidence: Evidence) -> bool:
    effective = [shown.status(pid, "Uid")[1:2] for pid in shown.descendants(evidence.pids)]
    return os.getuid() != 0 and ["0"] in effective


def _capable(_: Any, evidence: Evidence) -> bool:
    return any(int(word, 16) for pid in evidence.pids for word in shown.status(pid, "CapEff"))


def _writable(_: Any, evidence: Evidence) -> bool:
    return any(shown.link(f"/proc/self/fd/{fd}").startswith("/proc/sys") for fd in evidence.fds)


ATTEMPTS = (
    Attempt(
        "user_namespace",
        "makes itself root in a user namespace",
        'call("unshare", 0x10000000)\ntell(b"in it")',
        _own_user_namespace,
    ),
    Attempt(
        "user_namespace_clone3",
        "starts a process in a user namespace",
        "import ctypes, signal, time\n"
        "arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)\n"
        'if call("clone3", arguments, 88) == 0:\n'
        '    tell(b"in it")\n'
        "    signal.pause()\n"
        "time.sleep(0.2)",
        _own_user_namespace,
    ),
    Attempt(
        "mount",
        "mounts a file system over the work folder",
        'call("mount", at["token"].encode(), at["work"].encode(), b"tmpfs", 0, 0)\ntell(b"mounted")',
        _mounted,
    ),
    Attempt(
        "setns",
        "enters another process's namespace",
        'import os\ncall("setns", os.open(f"/proc/{at[\'apart\']}/ns/user", os.O_RDONLY), 0x10000000)\ntell(b"in it")',
        _own_user_namespace,
    ),
    Attempt(
        "userfaultfd",
        "handles its own page faults",
        'give(call("userfaultfd", 0x80801))',
        holds("anon_inode:[userfaultfd]"),
    ),
    Attempt(
        "bpf",
        "makes a BPF map",
        'import ctypes\nwanted = (ctypes.c_uint32 * 32)(2, 4, 4, 1)\ngive(call("bpf", 0, wanted, 128))',
        holds("anon_inode:bpf-map"),
    ),
    Attempt(
        "perf",
        "opens a performance counter",
        'import ctypes\nwanted = (ctypes.c_uint32 * 32)(1, 128)\ngive(call("perf_event_open", wanted, 0, -1, -1, 0))',
        holds("anon_inode:[perf_event]"),
    ),
    Attempt(
        "io_uring",
        "sets up io_uring with a polling thread of the kernel",
        'import ctypes\nwanted = (ctypes.c_uint32 * 30)(0, 0, 2)\nring = call("io_uring_setup", 4, wanted)',
        holds("anon_inode:[io_uring]"),
    ),
    Attempt(
        "setuid_program",
        "runs a program that becomes root",
        "import subprocess, time\n"
        "pipes = dict.fromkeys(('stdin', 'stdout', 'stderr'), subprocess.PIPE)\n"
        "program = subprocess.Popen(['su'], **pipes)\n"
        "time.sleep(0.3)\n"
        'tell(b"started")',
        _became_root,
    ),
    Attempt(
        "capabilities",
        "gives itself every capability",
        "import ctypes\n"
        "header = (ctypes.c_uint32 * 2)(0x20080522, 0)\n"
        "every = (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)\n"
        "libc.capset(header, every)\n"
        'tell(b"tried")',
        _capable,
    ),
    Attempt(
        "kernel_settings",
        "writes a setting of the kernel",
        'import os\ngive(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))',
        _writable,
    ),
    Attempt(
        "core_dump",
        "leaves its memory in a core file",
        "import os, resource, signal, time\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)\n"
        'os.chdir(at["work"])\n'
        "pid = os.fork()\n"
        "if pid == 0: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "os.waitpid(pid, 0)",
        lambda ground, _: ground.core_left(),
    ),
)
