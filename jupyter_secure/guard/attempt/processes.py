"""Ways into another process; judged by its secrets, by what it noticed, and by what the system shows of it."""

from __future__ import annotations

import os
from typing import Any

from . import shown
from .attempt import Attempt, Evidence, heard, told

NAMES = "names and command lines of the person's other programs: put no secret on a command line"


def _walked(ground: Any, evidence: Evidence) -> bool:
    return ground.secrets["comm"] in evidence.said.split()


def _log_came_out(ground: Any, evidence: Evidence) -> bool:
    return any(os.path.samestat(os.fstat(fd), ground.log_stat()) for fd in evidence.fds)


ATTEMPTS = (
    Attempt(
        "environ",
        "reads the broker's environment",
        'tell(open(f"/proc/{at[\'pid\']}/environ", "rb").read()[-60000:])',
        told("environ"),
    ),
    Attempt(
        "cmdline",
        "reads the broker's command line",
        'tell(open(f"/proc/{at[\'pid\']}/cmdline", "rb").read())',
        told("cmdline"),
        open_at={"G2": NAMES},
    ),
    Attempt(
        "mem",
        "reads the broker's memory through /proc",
        'f = open(f"/proc/{at[\'pid\']}/mem", "rb", 0)\nf.seek(at["address"])\ntell(f.read(64))',
        told("memory"),
    ),
    Attempt(
        "walk",
        "lists the person's other processes",
        "import os\n"
        "found = []\n"
        'for name in os.listdir("/proc"):\n'
        "    try:\n"
        "        if name.isdigit(): found.append(open(f'/proc/{name}/comm', 'rb').read().strip())\n"
        "    except OSError:\n"
        "        pass\n"
        'tell(b" ".join(found))',
        _walked,
        open_at={"G2": NAMES},
    ),
    Attempt(
        "ptrace",
        "attaches to the broker as a debugger",
        'call("ptrace", 0x4206, at["pid"], 0, 0)',
        lambda ground, _: shown.status(ground.broker.pid, "TracerPid") != ["0"],
    ),
    Attempt(
        "process_vm_readv",
        "reads the broker's memory by a system call",
        "import ctypes\n"
        "buffer = ctypes.create_string_buffer(64)\n"
        "ours = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 64)\n"
        'theirs = (ctypes.c_uint64 * 2)(at["address"], 64)\n'
        'call("process_vm_readv", at["pid"], ours, 1, theirs, 1, 0)\n'
        "tell(buffer.raw)",
        told("memory"),
    ),
    Attempt(
        "pidfd_getfd",
        "takes a descriptor out of the broker",
        "import os\n"
        'pidfd = os.pidfd_open(at["pid"])\n'
        "for fd in range(3, 32):\n"
        "    try:\n"
        '        give(call("pidfd_getfd", pidfd, fd, 0))\n'
        "    except OSError:\n"
        "        pass",
        _log_came_out,
    ),
    Attempt(
        "kill",
        "signals the broker",
        'import os, signal\nos.kill(at["pid"], signal.SIGUSR1)',
        heard("signal"),
        canary="signal",
    ),
    Attempt(
        "pidfd_send_signal",
        "signals the broker through a process descriptor",
        'import os, signal\nsignal.pidfd_send_signal(os.pidfd_open(at["pid"]), signal.SIGUSR1)',
        heard("signal"),
        canary="signal",
    ),
    Attempt(
        "sigqueue",
        "queues a signal with a value for the broker",
        "import ctypes, signal\nif libc.sigqueue(at['pid'], int(signal.SIGUSR1), ctypes.c_void_p(7)): raise OSError",
        heard("signal"),
        canary="signal",
    ),
    Attempt(
        "sigio",
        "makes the kernel send the broker SIGIO",
        "import fcntl, os, socket\n"
        "a, b = socket.socketpair()\n"
        "fcntl.fcntl(a, fcntl.F_SETOWN, at['pid'])\n"
        "fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC)\n"
        "b.send(b'x')",
        heard("signal"),
        canary="signal",
    ),
    Attempt(
        "environment_secrets",
        "reads tokens from its own environment",
        "import os\ntell(repr(dict(os.environ)).encode())",
        told("inherited"),
    ),
    Attempt(
        "inherited_descriptors",
        "reads from descriptors that were left open",
        "import os\n"
        "for fd in range(3, 256):\n"
        "    try:\n"
        "        tell(os.pread(fd, 4096, 0))\n"
        "    except OSError:\n"
        "        pass",
        told("key"),
    ),
)
