"""Where there is no process namespace: a parent that ends everything the kernel started, when the kernel ends.

The supervisor is the *subreaper* of the kernel: a process that the kernel's code detaches comes back to it as a child.
It waits for two things, the kernel's end and the end of its leash (a pipe that the guard holds), and then kills until
no child is left. Promise: when the supervisor is gone, so is every process that descends from the kernel.
"""

# `pathlib` costs 10 ms of the start of every kernel.
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os
import select
import signal
import time

from .process import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_PDEATHSIG, close_all_but, demand, prctl

PATIENCE = 10.0  # seconds that killing may take before the supervisor gives up and says so by its exit status


def split(leash: int) -> None:
    """Fork: return in the child, which goes on to become the kernel; never return in the supervisor."""
    demand(prctl(PR_SET_CHILD_SUBREAPER, 1), "subreaper")
    pid = os.fork()
    if pid == 0:
        # Should the supervisor be killed, the kernel goes with it.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    status = 1
    try:
        status = _supervise(pid, leash)
    finally:
        os._exit(status)


def _supervise(kernel: int, leash: int) -> int:
    prctl(PR_SET_DUMPABLE, 0)
    close_all_but([leash])
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    status = None
    while status is None:
        status = _reap(kernel)
        if status is None and leash in _ready(wake, leash):
            break
    end_descendants()
    return 1 if status is None else status


def _ready(wake: int, leash: int) -> list[int]:
    # `poll`, because the leash keeps the number it has in the server, which may be beyond what `select` takes.
    waiting = select.poll()
    for fd in (wake, leash):
        waiting.register(fd, select.POLLIN)
    ready = [fd for fd, _ in waiting.poll()]
    if wake in ready:
        os.read(wake, 4096)
    return ready


def _reap(kernel: int) -> int | None:
    # Returns the kernel's exit status once it has ended; reaps orphans on the way.
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 1
        if pid == 0:
            return None
        if pid == kernel:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def end_descendants() -> None:
    """Kill every child, and those that come back from them, until there is none."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    me = os.getpid()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == me:
                found.append(int(name))
    return found
