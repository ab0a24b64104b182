"""The process: hardened first, then one task per request until the socket ends.

Promises: no debugger, core dump or other process of the same user can look inside (PR_SET_DUMPABLE 0, no cores); an
error that is not of the family becomes the generic one and its traceback goes to the broker's own standard error; a
cancelled request ends its task and with it the worker; when the relay goes, everything ends and no process is left.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import resource
import signal
import socket
import sys

from jupyter_secure.protocol.errors import CancelledError, InvalidRequestError, SecureError, UnavailableError
from jupyter_secure.protocol.messages import (
    Cancel,
    Changed,
    Done,
    FromBroker,
    FromKernel,
    RelayReply,
    Stop,
    ToBroker,
)
from jupyter_secure.protocol.wire import Channel, Codec

from .desk import Desk

PR_SET_DUMPABLE = 4
FILES = 65_536
TURN = 0.0005  # seconds; the 5 ms that Python gives a thread are half of what a private answer takes
LOG = logging.getLogger("jupyter_secure.broker")


def harden() -> None:
    """Close the process to ptrace, /proc/PID/mem and core dumps, and its new files to everybody else.

    It may then open as many files as hundreds of relays need, where the system lets it.

    Raises:
        OSError: the kernel refuses; the broker then does not start.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(most, FILES) if most != resource.RLIM_INFINITY else FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    os.umask(0o077)


def take_short_turns() -> None:
    """Let threads hand Python on sooner: several work on one request, and the loop waits for each of them."""
    sys.setswitchinterval(TURN)


def spare_what_stays() -> None:
    """Keep what there is by now out of the search for garbage, in which nobody is answered for a tenth of a second."""
    gc.freeze()


def main(fd: int, vault: str) -> int:
    """Serve one relay; return the exit status."""
    harden()
    take_short_turns()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s broker %(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's; it asks us to stop, or closes the socket
    sock = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    try:
        return asyncio.run(serve(sock, vault))
    except SecureError as error:
        LOG.critical("%s %s", error.public, error.detail)
        return 1


async def serve(sock: socket.socket, vault: str) -> int:
    """Answer until the relay stops us or goes."""
    channel: Channel[ToBroker, FromBroker] = Channel(sock, Codec(ToBroker))
    # Whoever ends the process gets the same good order as a relay that goes: requests under way end in the log.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sock.shutdown, socket.SHUT_RD)
    process = Process(channel)
    async with Desk.open(vault, process.changed) as desk:
        spare_what_stays()
        await process.run(desk)
    return 0


class Process:
    """The socket and the requests under way."""

    def __init__(self, channel: Channel[ToBroker, FromBroker]) -> None:
        self._channel = channel
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._grants: dict[int, str] = {}  # of requests that come from a kernel

    async def run(self, desk: Desk) -> None:
        """Start a task for each request that arrives; return after `Stop` or when the relay has gone."""
        try:
            while (request := await self._next()) is not None:
                if isinstance(request.body, Stop):
                    await self._reply(request.id, Done())
                    return
                if isinstance(request.body, FromKernel) and isinstance(request.body.request, Cancel):
                    self._cancel(request.body.grant, request.body.request.request)
                elif request.id == 0 or request.id in self._tasks:
                    await self._refuse(request.id, InvalidRequestError(detail="the number is in use"))
                else:
                    self._start(request, desk)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            self._channel.close()

    async def changed(self, notebook: str | None, user: str | None = None) -> None:
        """Tell the relay that panels should look again. It serves all people of its computer, so `user` is not told."""
        del user
        try:
            await self._channel.send(FromBroker(id=0, body=Changed(notebook=notebook)))
        except UnavailableError:
            LOG.info("the relay has gone")

    async def _next(self) -> ToBroker | None:
        while True:
            try:
                received = await self._channel.receive()
            except InvalidRequestError as error:
                LOG.warning("a message of the relay was dropped: %s", error.detail)
                continue
            return None if received is None else received[0]

    def _start(self, request: ToBroker, desk: Desk) -> None:
        task = asyncio.create_task(self._answer(request, desk))
        self._tasks[request.id] = task
        if isinstance(request.body, FromKernel):
            self._grants[request.id] = request.body.grant
        task.add_done_callback(lambda _: self._forget(request.id))

    def _forget(self, number: int) -> None:
        self._tasks.pop(number, None)
        self._grants.pop(number, None)

    def _cancel(self, grant: str, number: int) -> None:
        if self._grants.get(number) == grant:  # nobody ends what another kernel asked
            self._tasks[number].cancel()

    async def _answer(self, request: ToBroker, desk: Desk) -> None:
        async def reply(body: RelayReply, fd: int | None = None) -> None:
            await self._reply(request.id, body, fd)

        try:
            await desk.answer(request.body, reply)
        except asyncio.CancelledError:  # the request is over, the process goes on
            await self._refuse(request.id, CancelledError())
        except SecureError as error:
            if error.detail:
                LOG.info("%s: %s", error.code, error.detail)
            await self._refuse(request.id, error)
        except Exception:
            LOG.exception("an unexpected error")
            await self._refuse(request.id, SecureError())

    async def _reply(self, number: int, body: RelayReply, fd: int | None = None) -> None:
        await self._channel.send(FromBroker(id=number, body=body), () if fd is None else (fd,))

    async def _refuse(self, number: int, error: SecureError) -> None:
        try:
            await self._channel.send(FromBroker(id=number, error=error.to_wire()))
        except UnavailableError:
            LOG.info("the relay has gone")
