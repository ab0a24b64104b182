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
import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from jupyter_secure.protocol.errors import FAMILY, CancelledError, SecureError, UnavailableError
from jupyter_secure.protocol.noun import Noun
from jupyter_secure.protocol.wire import Channel, Codec, pair

from .jobs import Begun, Failed, Finished, Ready, WorkerReply, Working

Outcome = TypeVar("Outcome")
Progressed = Callable[[int], None]
PIPE = 1 << 20
START_TIMEOUT = 60.0
TIMEOUT = 600.0
STALL_TIMEOUT = 60.0  # a kernel that reads nothing for so long loses its view, so that it cannot hold a worker
PAUSES = (0.0, 0.2, 1.0, 5.0, 20.0)  # seconds before each try to start a worker
LOG = logging.getLogger(__name__)
MEMORY = 8 << 30  # address space; about 3 GiB of it is only reserved by the allocators, half a GiB is used


class _Process:
    """One worker process and its socket."""

    def __init__(self, memory: int) -> None:
        ours, theirs = pair()
        command = [sys.executable, "-I", "-m", "jupyter_secure.broker.views.worker", str(theirs.fileno()), str(memory)]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=quiet, stdout=quiet, stderr=quiet, env={}, pass_fds=[theirs.fileno()], cwd="/"
        )
        theirs.close()
        codec: Codec[WorkerReply, Noun] = Codec(WorkerReply)  # type: ignore[arg-type]  # a union is no `type`
        self.channel: Channel[WorkerReply, Noun] = Channel(ours, codec)

    async def ready(self) -> None:
        """Wait until the worker is warm."""
        async with asyncio.timeout(START_TIMEOUT):
            if not isinstance(await self.receive(), Ready):
                raise SecureError(detail="the worker did not say that it is ready")

    async def receive(self) -> WorkerReply:
        """Return the next reply."""
        received = await self.channel.receive()
        if received is None:
            raise SecureError(detail="the worker ended")
        return received[0]

    def kill(self) -> None:
        """End the process and wait for it; at most milliseconds, since it is killed."""
        self.process.kill()
        self.process.wait()
        self.channel.close()


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


class _Outlet:
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


class _Given:
    """A descriptor that is somebody else's to close."""

    def __init__(self, fd: int) -> None:
        self.begun: asyncio.Future[Begun] = asyncio.get_running_loop().create_future()
        self._fd = fd

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[int]]:
        """Give it."""
        yield (self._fd,)


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
        self._idle: asyncio.Queue[_Process] = asyncio.Queue()
        self._alive: set[_Process] = set()
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
        outlet = _Outlet()
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
        return self._spawn(self._work(job, None, _Given(fd)))

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

    async def _work(self, job: Noun, progress: Progressed | None, outlet: _Outlet | _Given | None) -> Finished:
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

    async def _take(self) -> _Process:
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
        self, process: _Process, progress: Progressed | None, outlet: _Outlet | _Given | None
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
        process = _Process(self._memory)
        self._alive.add(process)
        try:
            await process.ready()
        except BaseException:
            self._remove(process)
            raise
        self._idle.put_nowait(process)

    def _replace(self, process: _Process) -> None:
        self._remove(process)
        if not self._closed:
            _ = self._spawn(self._add_at_last())

    def _remove(self, process: _Process) -> None:
        self._alive.discard(process)
        process.kill()
