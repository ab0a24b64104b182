"""The kernel's process as seen from outside its walls: signals, its end, and the end of all it started.

Two processes are known: the *outer* one that Jupyter started (bubblewrap, or the supervisor) and the kernel itself,
held by a process descriptor so that its number cannot be mistaken for another process's.

A signal goes to the kernel's main thread, and to what the kernel runs in the foreground. Sent to the whole process, a
signal is taken by whichever thread looks first; Python then runs its handler only when the main thread wakes, so that
an interrupted `sleep` would sleep on. It happens as soon as worker processes of a pool get the signal too: their end
wakes the thread that minds the pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import signal
import subprocess
from pathlib import Path

SIGNAL_THREAD = 1  # PIDFD_SIGNAL_THREAD, Linux 6.9: the thread whose number is the process's, which is the main one
PATIENCE = 10.0  # seconds until the last process must be gone


class KernelProcess:
    """Owns the leash and the process descriptor."""

    def __init__(self, outer: subprocess.Popen[bytes], leash: int) -> None:
        self._outer = outer
        self._leash = leash
        self._fd = -1
        self.pid = 0

    def found(self, pid: int) -> None:
        """Remember the kernel, whose number the operating system vouched for.

        Raises:
            OSError: it has ended.
        """
        self.pid, self._fd = pid, os.pidfd_open(pid)

    def alive(self) -> bool:
        """Say whether the kernel runs."""
        if self._fd < 0:
            return False
        ended = select.poll()
        ended.register(self._fd, select.POLLIN)
        return not ended.poll(0)

    def signal(self, number: int) -> None:
        """Signal the kernel's main thread and the other processes of its group, which are what it runs."""
        if not self.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            try:
                signal.pidfd_send_signal(self._fd, number, None, SIGNAL_THREAD)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                os.killpg(self.pid, number)  # before Linux 6.9; the kernel leads its own session
            else:
                _signal_others(self.pid, number)

    def end(self) -> None:
        """Kill everything; returns at once."""
        if self._leash >= 0:
            # The supervisor kills whatever descends from the kernel, and then ends.
            os.close(self._leash)
            self._leash = -1
        elif self.pid or self._outer.poll() is None:
            # The namespace ends with bubblewrap, and every process in it.
            with contextlib.suppress(ProcessLookupError):
                self._outer.kill()
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, signal.SIGKILL)

    async def gone(self) -> None:
        """Return when the kernel's process is gone.

        Raises:
            TimeoutError: it is still there.
        """
        async with asyncio.timeout(PATIENCE):
            while self.alive():  # noqa: ASYNC110  # nothing else in this program learns of its end
                await asyncio.sleep(0.01)

    def close(self) -> None:
        """Forget the descriptors."""
        for fd in (self._fd, self._leash):
            if fd >= 0:
                os.close(fd)
        self._fd = self._leash = -1


def _signal_others(group: int, number: int) -> None:
    """Signal every process of a group but the one that leads it; each is held before it is looked at again."""
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid == group or os.getpgid(pid) != group:
                continue
            held = os.pidfd_open(pid)
            try:
                if os.getpgid(pid) == group:
                    signal.pidfd_send_signal(held, number)
            finally:
                os.close(held)
