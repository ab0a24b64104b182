"""One kernel's channel: what a kernel asks is passed on with the grant of the channel it came from.

Steps for each datagram: refuse what is no message, wait for the grant, wrap the request, forward each `Progress`,
before a view let the guard's proxy cut what may not stand beside it, forward the final reply with its descriptor,
close the descriptor. Promises: nothing that a kernel says about itself is
passed on as true, because a request has no field for it and the grant is the relay's; at most `AT_ONCE` requests of
one kernel are under way; a broken datagram is answered and harms no other request; when the kernel goes, its requests
are cancelled at the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from jupyter_secure.protocol.errors import InvalidRequestError, SecureError, UnavailableError
from jupyter_secure.protocol.grant import Grant
from jupyter_secure.protocol.messages import Cancel, Delivery, FromKernel, FromRelay, KernelReply, Progress, ToRelay
from jupyter_secure.protocol.wire import Channel, Codec, close_all

from .upstream import Upstream

AT_ONCE = 16
_TOO_MANY = "This kernel has too many requests under way. Wait for one of them to end."


class KernelChannel:
    """The relay's end of the socket that a kernel inherited.

    Args:
        sock: that end.
        upstream: the broker.
        grant: returns the grant of this channel, waiting until there is one.
        review: ends the kernel's connections to other computers that it may not have beside a view.
    """

    def __init__(
        self,
        sock: socket.socket,
        upstream: Upstream,
        grant: Callable[[], Awaitable[Grant]],
        review: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._channel: Channel[ToRelay, FromRelay] = Channel(sock, Codec(ToRelay, spill=False))
        self._upstream = upstream
        self._grant = grant
        self._review = review
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._issued: dict[int, tuple[str, int]] = {}  # grant and the broker's number of each request

    async def serve(self) -> None:
        """Relay until the kernel's end is closed."""
        try:
            while (message := await self._next()) is not None:
                await self._accept(message)
        except UnavailableError:
            pass  # the kernel has gone while it was being answered
        finally:
            await self._end()

    async def _next(self) -> ToRelay | None:
        while True:
            try:
                received = await self._channel.receive()
            except InvalidRequestError as error:
                await self._channel.send(FromRelay(id=0, error=error.to_wire()))
            else:
                return None if received is None else received[0]

    async def _accept(self, message: ToRelay) -> None:
        if isinstance(message.body, Cancel):
            await self._cancel(message.body.request)
        elif message.id == 0 or message.id in self._tasks:
            await self._refuse(message.id, InvalidRequestError(detail="the number is in use"))
        elif len(self._tasks) >= AT_ONCE:
            await self._refuse(message.id, InvalidRequestError(_TOO_MANY))
        else:
            task = asyncio.create_task(self._serve(message))
            self._tasks[message.id] = task
            task.add_done_callback(lambda _: self._forget(message.id))

    async def _serve(self, message: ToRelay) -> None:
        try:
            grant = await self._grant()
            body, fds = await self._upstream.request(
                FromKernel(grant=grant.id, request=message.body),
                progress=lambda step: self._forward(message.id, step),
                issued=lambda number: self._issued.update({message.id: (grant.id, number)}),
            )
        except SecureError as error:
            await self._refuse(message.id, error)
        else:
            await self._hand_over(message.id, body, fds)

    async def _hand_over(self, number: int, body: KernelReply, fds: list[int]) -> None:
        try:
            if self._review is not None and isinstance(body, Delivery):
                await self._review()
        except BaseException:
            close_all(fds)
            raise
        await self._forward(number, body, fds)

    async def _forward(self, number: int, body: KernelReply | Progress, fds: list[int] | None = None) -> None:
        try:
            with contextlib.suppress(UnavailableError):  # the kernel has gone; `serve` notices too
                await self._channel.send(FromRelay(id=number, body=body), tuple(fds or ()))
        finally:
            close_all(fds or [])

    async def _refuse(self, number: int, error: SecureError) -> None:
        with contextlib.suppress(UnavailableError):
            await self._channel.send(FromRelay(id=number, error=error.to_wire()))

    async def _cancel(self, request: int) -> None:
        if request in self._issued:
            grant, number = self._issued[request]
            await self._upstream.tell(FromKernel(grant=grant, request=Cancel(request=number)))
        elif request in self._tasks:  # it still waits for the grant, so the broker never heard of it
            self._tasks[request].cancel()

    def _forget(self, number: int) -> None:
        self._tasks.pop(number, None)
        self._issued.pop(number, None)

    async def _end(self) -> None:
        for request, task in list(self._tasks.items()):
            await self._cancel(request)
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._channel.close()
