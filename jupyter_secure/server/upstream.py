"""The relay's one connection to the broker, shared by everything in the server.

Many requests are under way at once; the envelope's number joins each to its answers. Promises: answers of one request
arrive in order; a broker that has gone fails every waiting request with `UnavailableError` and leaves none hanging; a
descriptor that nobody takes is closed.

Deliberately absent: any reading of what passes. A view is sealed to a kernel's key; here it is a descriptor's number.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from jupyter_secure.protocol.errors import SecureError, UnavailableError, from_wire
from jupyter_secure.protocol.messages import FromBroker, Progress, RelayReply, RelayRequest, ToBroker
from jupyter_secure.protocol.wire import Channel, Codec, close_all

OnProgress = Callable[[Progress], Awaitable[None]]


class _Arrival(NamedTuple):
    body: RelayReply | SecureError
    fds: list[int]


class Upstream:
    """A multiplexing client. It outlives any one broker process: `serve` is called again for the next one.

    Args:
        changed: called when the broker says that something the panel shows has changed.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[_Arrival]] = {}
        self._channel: Channel[FromBroker, ToBroker] | None = None

    @property
    def connected(self) -> bool:
        """Say whether there is a broker to ask."""
        return self._channel is not None

    async def serve(self, sock: socket.socket) -> None:
        """Use a socket until the far side has gone; then every waiting request fails.

        Raises:
            InvalidRequestError: the far side said something that is no message; the connection is given up.
        """
        channel: Channel[FromBroker, ToBroker] = Channel(sock, Codec(FromBroker), wanted=1)
        self._channel = channel
        try:
            while (received := await channel.receive()) is not None:
                self._dispatch(*received)
        finally:
            self._channel = None
            channel.close()
            for queue in self._waiting.values():
                queue.put_nowait(_Arrival(UnavailableError(), []))

    async def request(
        self,
        body: RelayRequest,
        *,
        progress: OnProgress | None = None,
        issued: Callable[[int], None] | None = None,
        patience: float | None = None,
    ) -> tuple[RelayReply, list[int]]:
        """Ask, and return the final reply with its descriptors, which are then the caller's to close.

        Args:
            body: the request.
            progress: awaited for each `Progress` before the final reply.
            issued: told the number under which the broker knows the request, before it is sent.
            patience: seconds to wait; None waits as long as the broker lives.

        Raises:
            UnavailableError: no broker, it has gone meanwhile, or it was silent for too long.
            SecureError: what the broker answered.
        """
        number = next(self._numbers)
        queue: asyncio.Queue[_Arrival] = asyncio.Queue()
        self._waiting[number] = queue
        if issued is not None:
            issued(number)
        try:
            async with asyncio.timeout(patience):
                await self._send(number, body)
                return await _answer(queue, progress)
        except TimeoutError:
            raise UnavailableError(detail=f"no answer to {type(body).__name__}") from None
        finally:
            del self._waiting[number]
            while not queue.empty():
                close_all(queue.get_nowait().fds)

    async def tell(self, body: RelayRequest) -> None:
        """Send what is never answered; without a broker there is nobody to tell."""
        with contextlib.suppress(UnavailableError):
            await self._send(next(self._numbers), body)

    async def _send(self, number: int, body: RelayRequest) -> None:
        if self._channel is None:
            raise UnavailableError
        await self._channel.send(ToBroker(id=number, body=body))

    def _dispatch(self, message: FromBroker, fds: list[int]) -> None:
        if message.id == 0:
            close_all(fds)
            self._changed()
            return
        queue = self._waiting.get(message.id)
        if queue is None:  # whoever asked has left
            close_all(fds)
            return
        answer = message.body if message.error is None else from_wire(message.error)
        queue.put_nowait(_Arrival(SecureError(detail="an empty answer") if answer is None else answer, fds))


async def _answer(queue: asyncio.Queue[_Arrival], progress: OnProgress | None) -> tuple[RelayReply, list[int]]:
    while True:
        body, fds = await queue.get()
        if isinstance(body, SecureError):
            close_all(fds)
            raise body
        if not isinstance(body, Progress):
            return body, fds
        close_all(fds)
        if progress is not None:
            await progress(body)
