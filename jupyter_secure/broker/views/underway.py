"""A question that a worker has begun, and that is given no noise before it is paid.

Exact sums cost no budget, because nothing of them leaves the worker; so they are made while the ledger writes down what
the question costs. That it is paid the worker hears over a pipe of its own: one byte. Promises: without that byte no
noise is drawn; what is not finished when it ends is killed at once, so that how long it takes tells nothing of the rows
and no worker stays busy with it.

Steps, the first two in whichever thread writes the ledger: begin -> `pay` -> `finished`; `end` in any case.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading

from .jobs import Finished
from .payment import PAID
from .pool import WorkerPool
from .question import DpJob
from .stream import outcome


class Underway:
    """One question at a worker, or on its way there."""

    def __init__(self, pool: WorkerPool, job: DpJob, loop: asyncio.AbstractEventLoop) -> None:
        self._listening, self._telling = os.pipe2(os.O_CLOEXEC)
        self._ended = False
        self._lock = threading.Lock()  # a thread may still pay while the loop, at its own end, ends it
        self._task: asyncio.Task[Finished] | None = None
        loop.call_soon_threadsafe(self._begin, pool, job)

    def pay(self) -> None:
        """Tell the worker that the ledger has it, durably; one that is gone says so by itself."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            if not self._ended:
                os.write(self._telling, PAID)

    async def finished(self) -> Finished:
        """Return what the worker answers, in the loop and after `pay`.

        Raises:
            SecureError: it failed; the class says why.
        """
        assert self._task is not None  # the loop begins what it was told before it hears that it is paid
        return await outcome(self._task)

    async def end(self) -> None:
        """Kill what is not finished."""
        with self._lock:
            self._ended = True
            os.close(self._telling)
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    def _begin(self, pool: WorkerPool, job: DpJob) -> None:
        self._task = pool.begin(job, self._listening)
        self._task.add_done_callback(lambda _: os.close(self._listening))
