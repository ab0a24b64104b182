"""Hands a kept view to a kernel: its content key is sealed to the kernel, its frames go from the file into a pipe.

Promises: looks like a view that a worker makes (`views.stream.ViewStream`); nothing is decrypted here, and the pages of
the file are not copied on our side; a kernel that reads nothing for `STALL` seconds loses the view.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import functools
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_secure.broker.views.delivery import wrap
from jupyter_secure.broker.views.jobs import Finished
from jupyter_secure.broker.views.kept import Description
from jupyter_secure.broker.views.stream import PIPE
from jupyter_secure.protocol.errors import CancelledError

STALL = 60.0


@dataclass(frozen=True)
class Kept:
    """A kept view that is whole; the descriptor is the caller's to close.

    Attributes:
        doubt: to be called when a kernel did not take all of it, which may be because it does not open.
    """

    fd: int
    frames: int
    described: Description
    doubt: Callable[[], None] = lambda: None


class KeptStream:
    """A kept view on its way; see `ViewStream`. Takes over the descriptor of the file."""

    def __init__(self, kept: Kept, recipient: bytes, info: bytes) -> None:
        described = kept.described
        try:
            wrapped = wrap(described.content_key, recipient, info)
            self.fd, writing = os.pipe2(os.O_CLOEXEC)
        except BaseException:
            os.close(kept.fd)
            raise
        self.seal = base64.b64encode(wrapped).decode()
        self.checked = described.checked
        digest = hashlib.sha256(wrapped + described.tags).hexdigest()
        self._finished = Finished(rows=described.rows, size=described.size, digest=digest)
        with contextlib.suppress(OSError):  # more than this user may have: the default size works too
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
        os.set_blocking(writing, False)
        self._task = asyncio.ensure_future(_pour(kept, writing))
        for fd in (writing, kept.fd):  # also if the task never began
            self._task.add_done_callback(functools.partial(_close, fd))

    def handed_over(self) -> None:
        """Close our copy of the descriptor: from now on a kernel that goes away ends the pouring."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    async def finished(self) -> Finished:
        """Return rows, size and digest once the whole view is in the kernel's hands.

        Raises:
            CancelledError: the kernel closed the view, or read nothing for too long.
        """
        try:
            await self._task
        finally:
            self.handed_over()
        return self._finished

    async def cancel(self) -> None:
        """Cut the stream."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, CancelledError):
            await self._task
        self.handed_over()


def _close(fd: int, _: object) -> None:
    os.close(fd)


async def _pour(kept: Kept, writing: int) -> None:
    try:
        done = 0
        while done < kept.frames:
            try:
                done += os.sendfile(writing, kept.fd, done, min(PIPE, kept.frames - done))
            except BlockingIOError:
                async with asyncio.timeout(STALL):
                    await _writable(writing)
    except (BrokenPipeError, TimeoutError):
        kept.doubt()
        raise CancelledError(detail="the kernel takes no more of the view") from None


async def _writable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(fd)
