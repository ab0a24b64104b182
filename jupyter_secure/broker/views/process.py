"""One worker process as the broker sees it: a command, a private socket, and an end."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.noun import Noun
from jupyter_secure.protocol.wire import Channel, Codec, pair

from .jobs import Ready, WorkerReply

START_TIMEOUT = 60.0


class WorkerProcess:
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
