"""Pre-started worker processes that can be killed.

Promises: one job at a time in each worker; a worker that crashes, hangs or is cancelled is killed and replaced, and its
job fails with an error of our family; after `close` no process is left. A plan with keys is sent over the worker's
private socket and nowhere else.

Steps of `open`: wait for an idle worker -> make a pipe -> send the job with the writing end -> wait for the seal ->
hand out the reading end; the rest of the job goes on beside. `ViewStream.finished` gives its outcome. Who waits for a
worker holds no descriptor, so a crowd does not run out of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from jupyter_secure.protocol.errors import FAMILY, CancelledError, SecureError, UnavailableError
from jupyter_secure.protocol.noun import Noun

from .jobs import Begun, Failed, Finished, Working
from .process import WorkerProcess
from .stream import Given, Outlet, ViewStream, outcome

Outcome = TypeVar("Outcome")
Progressed = Callable[[int], None]
TIMEOUT = 600.0
STALL_TIMEOUT = 60.0  # a kernel that reads nothing for so long loses its view, so that it cannot hold a worker
PAUSES = (0.0, 0.2, 1.0, 5.0, 20.0)  # seconds before each try to start a worker
LOG = logging.getLogger(__name__)
MEMORY = 8 << 30  # address space; about 3 GiB of it is only reserved by the allocators, half a GiB is used


class WorkerPool:
    """A fixed number of warm workers.

    Args:
        size: how many jobs run at a time; further ones wait.
        memory: most address space of a worker in bytes, 0 for no limit.
        timeout: most seconds for a job.
        stall: most seconds without any progress.
    """

    def __init__(
        self, size: int = 2, *, memory: int = MEMORY, timeout: float = TIMEOUT, stall: float = STALL_TIMEOUT
    ) -> None:
        self._size = size
        self._memory = memory
        self._timeout = timeout
        self._stall = stall
        self._idle: asyncio.Queue[WorkerProcess] = asyncio.Queue()
        self._alive: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def workers(self) -> tuple[int, int]:
        """How many workers there are, and how many of them wait for a job."""
        return len(self._alive), self._idle.qsize()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of the workers."""
        return tuple(process.process.pid for process in self._alive)

    async def start(self) -> None:
        """Start all workers; return when they are warm."""
        await asyncio.gather(*(self._add_at_last() for _ in range(self._size)))

    async def open(self, plan: Noun, progress: Progressed | None = None) -> ViewStream:
        """Start the making of a view and return when its seal is known.

        Raises:
            SecureError: nothing was made; the class says why.
        """
        outlet = Outlet()
        task = self._spawn(self._work(plan, progress, outlet))
        try:
            both: set[asyncio.Future[Any]] = {task, outlet.begun}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if outlet.begun.done():
                return ViewStream(outlet.handed_out(), outlet.begun.result(), task)
            await outcome(task)
            raise SecureError(detail="the worker finished without a stream")  # noqa: TRY301 - closed below, as any
        except BaseException:
            outlet.close()
            task.cancel()
            raise

    async def run(self, job: Noun, progress: Progressed | None = None) -> Finished:
        """Do a job that has no stream.

        Raises:
            SecureError: it failed; the class says why.
        """
        return await outcome(self._spawn(self._work(job, progress, None)))

    def begin(self, job: Noun, fd: int) -> asyncio.Task[Finished]:
        """Begin a job with a descriptor, which stays the caller's to close once the task is done."""
        return self._spawn(self._work(job, None, Given(fd)))

    async def close(self) -> None:
        """Kill every worker; jobs under way fail."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for process in list(self._alive):
            self._remove(process)

    def _spawn(self, work: Coroutine[Any, Any, Outcome]) -> asyncio.Task[Outcome]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen: whoever wants the outcome awaits the stream

    async def _work(self, job: Noun, progress: Progressed | None, outlet: Outlet | Given | None) -> Finished:
        process = None
        try:
            process = await self._take()
            with outlet.opened() if outlet else contextlib.nullcontext(()) as fds:
                await process.channel.send(job, fds)
            async with asyncio.timeout(self._timeout):
                reply = await self._follow(process, progress, outlet)
        except BaseException as error:
            if process:
                self._replace(process)
            if isinstance(error, TimeoutError):
                raise CancelledError("That took longer than permitted and was stopped. Ask for less.") from None
            raise
        self._idle.put_nowait(process)
        if isinstance(reply, Failed):
            raise FAMILY.get(reply.code, SecureError)(detail=f"worker: {reply.kind}")
        return reply

    async def _take(self) -> WorkerProcess:
        if self._closed:
            raise UnavailableError(detail="the pool is closed")
        if not self._alive:
            raise UnavailableError("No worker is running. Ask the operator to look at the broker's log.")
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    process = await self._idle.get()
                    if process.process.poll() is None:
                        return process
                    self._replace(process)  # it died while nobody used it
        except TimeoutError:
            raise UnavailableError("All workers are busy. Run the cell again in a moment.") from None

    async def _follow(
        self, process: WorkerProcess, progress: Progressed | None, outlet: Outlet | Given | None
    ) -> Finished | Failed:
        while True:
            async with asyncio.timeout(self._stall):
                reply = await process.receive()
            match reply:
                case Begun() if outlet and not outlet.begun.done():
                    outlet.begun.set_result(reply)
                case Working() if progress:
                    progress(reply.rows)
                case Finished() | Failed():
                    return reply

    async def _add_at_last(self) -> None:
        for pause in PAUSES:
            await asyncio.sleep(pause)
            try:
                return await self._add()
            except (SecureError, OSError, TimeoutError) as error:
                LOG.warning("A worker did not start (%s).", type(error).__name__)
        LOG.critical("No worker starts in place of one that ended. Restart the broker.")
        return None

    async def _add(self) -> None:
        process = WorkerProcess(self._memory)
        self._alive.add(process)
        try:
            await process.ready()
        except BaseException:
            self._remove(process)
            raise
        self._idle.put_nowait(process)

    def _replace(self, process: WorkerProcess) -> None:
        self._remove(process)
        if not self._closed:
            _ = self._spawn(self._add_at_last())

    def _remove(self, process: WorkerProcess) -> None:
        self._alive.discard(process)
        process.kill()
