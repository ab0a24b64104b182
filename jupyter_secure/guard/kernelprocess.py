"""The kernel's process as seen from outside its walls: signals, its end, and the end of all it started.

Two processes are known: the *outer* one that Jupyter started (bubblewrap, or the supervisor) and the kernel itself,
held by a process descriptor so that its number cannot be mistaken for another process's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess

SIGNAL_PROCESS_GROUP = 4  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9
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
        """Signal the kernel's process group: the kernel and what it runs in the foreground."""
        if not self.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            try:
                signal.pidfd_send_signal(self._fd, number, None, SIGNAL_PROCESS_GROUP)
            except OSError:
                os.killpg(self.pid, number)  # before Linux 6.9; the kernel leads its own session

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
