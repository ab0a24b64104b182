"""A view in the making, and the pipe that it comes through.

Promises: a pipe is made when there is a worker to write into it, so that whoever waits for one holds no descriptor;
both ends are closed whichever way the view ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterator

from jupyter_secure.protocol.errors import CancelledError, SecureError, UnavailableError

from .jobs import Begun, Finished

PIPE = 1 << 20


async def outcome(task: asyncio.Task[Finished]) -> Finished:
    """Return what a job came to; whoever is cancelled while waiting cancels it."""
    # Awaiting the task itself would make the closing of the pool look like the cancelling of whoever waits.
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        raise
    if task.cancelled():
        raise UnavailableError(detail="the pool was closed, or the view cancelled")
    return task.result()


class ViewStream:
    """A view in the making.

    Attributes:
        fd: what the kernel reads from; the gate hands it over and then calls `handed_over`.
        seal: what opens it.
        checked: how it came through the check that policy asks for.
    """

    def __init__(self, fd: int, begun: Begun, task: asyncio.Task[Finished]) -> None:
        self.fd = fd
        self.seal = begun.seal
        self.checked = begun.checked
        self._task = task

    def handed_over(self) -> None:
        """Close our copy of the descriptor: from now on a kernel that goes away ends the job."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    async def finished(self) -> Finished:
        """Return rows, size and digest once the whole view is in the kernel's hands.

        Raises:
            SecureError: the view broke off; the kernel shows nothing of it.
        """
        try:
            return await outcome(self._task)
        finally:
            self.handed_over()

    async def cancel(self) -> None:
        """Kill the worker; the stream is cut."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, SecureError):
            await self._task
        self.handed_over()


class Outlet:
    """The pipe of a view, made when there is a worker to write into it.

    Attributes:
        begun: what the worker says once it has begun.
    """

    def __init__(self) -> None:
        self.begun: asyncio.Future[Begun] = asyncio.get_running_loop().create_future()
        self._reading: int | None = None
        self._closed = False

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[int]]:
        """Give the end that the worker writes into, for as long as it takes to send it."""
        if self._closed:
            raise CancelledError(detail="nobody waits for the view any more")
        self._reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):  # more than this user may have: the default size works too
                fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
            yield (writing,)
        finally:
            os.close(writing)

    def handed_out(self) -> int:
        """Return the end to read from; it is then the caller's to close."""
        assert self._reading is not None
        reading, self._reading = self._reading, None
        return reading

    def close(self) -> None:
        """Close the end to read from, if nobody has it."""
        self._closed = True
        if self._reading is not None:
            os.close(self.handed_out())


class Given:
    """A descriptor that is somebody else's to close."""

    def __init__(self, fd: int) -> None:
        self.begun: asyncio.Future[Begun] = asyncio.get_running_loop().create_future()
        self._fd = fd

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[int]]:
        """Give it."""
        yield (self._fd,)
