"""One thread that writes for many waiting callers: entries that arrive during a commit share the next one.

A commit costs one fsync however many entries it holds, so the rate grows with the number of callers while each waits
for at most two commits. A caller that stops waiting does not take its entry back.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from jupyter_secure.protocol.errors import AuditUnavailableError, SecureError

from .anchor import QUIET, Anchor
from .entry import Draft

MOST = 256  # entries in one commit


class _Waiting(NamedTuple):
    draft: Draft
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[int]

    def settle(self, seq: int | None, error: SecureError | None) -> None:
        """Answer the caller, in its own loop; a loop that has closed meanwhile waits for nothing."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(_answer, self.future, seq, error)


_WAKE: Any = object()


class GroupWriter:
    """Starts its thread with the first entry."""

    def __init__(self, write: Callable[[list[Draft]], list[int]], anchor: Anchor) -> None:
        self._write = write
        self._anchor = anchor
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    async def submit(self, draft: Draft) -> int:
        """Return the number of the entry once it is durable.

        Raises:
            AuditUnavailableError: it could not be written, or the log is closed.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(draft, loop, loop.create_future())
        with self._lock:
            if self._closed:
                raise AuditUnavailableError(detail="the log is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
                self._thread.start()
            self._queue.put(waiting)
        return await waiting.future

    def wake(self) -> None:
        """Let the thread look whether there is something to remember, if it has begun."""
        with self._lock:
            if self._thread is not None:
                self._queue.put(_WAKE)

    def close(self) -> None:
        """Write everything that waits, then end the thread."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            self._queue.put(None)
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while batch := self._next():
            self._commit(batch)
            if self._anchor.due():
                self._remember()

    def _remember(self) -> None:
        # What fails here has set `failed`, which stops the next commit.
        with contextlib.suppress(AuditUnavailableError):
            self._anchor.flush()

    def _next(self) -> list[_Waiting]:
        """Return what waits, at least one; nothing at the end."""
        batch: list[_Waiting] = []
        while True:
            item = self._queue.get() if batch else self._item()
            if item is None:
                if batch:
                    self._queue.put(None)  # write these first; the end comes again
                return batch
            if item is not _WAKE:
                batch.append(item)
            if batch and (len(batch) == MOST or self._queue.empty()):
                return batch

    def _item(self) -> _Waiting | None:
        """Return what comes next; what is to be remembered is, once nothing has come for a moment."""
        try:
            return self._queue.get(timeout=QUIET if self._anchor.waits() and not self._anchor.failed else None)
        except queue.Empty:
            self._remember()
            return self._queue.get()

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            numbers = self._write([waiting.draft for waiting in batch])
        except SecureError as error:
            for waiting in batch:
                waiting.settle(None, error)
        except Exception as error:  # noqa: BLE001 - a fault of our own must reach the callers, not end the thread
            for waiting in batch:
                waiting.settle(None, AuditUnavailableError(detail=repr(error)))
        else:
            for waiting, seq in zip(batch, numbers, strict=True):
                waiting.settle(seq, None)


def _answer(future: asyncio.Future[int], seq: int | None, error: SecureError | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(type(error)(error.public, detail=error.detail))
    else:
        assert seq is not None
        future.set_result(seq)
