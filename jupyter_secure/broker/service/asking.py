"""`POST /v1/ask` and `GET /v1/changes`: the desk, and what panels want to hear, over HTTPS.

Promises: one request is one task, which ends with its connection, and with it the worker; a view is sent as fast as the
kernel behind the relay reads it, and held back otherwise; a reader that takes nothing for `STALL` seconds loses the
connection; of one person at most `AT_ONCE` requests are under way; an error after the first byte of a view cuts the
connection, so that nobody takes half of it for the whole.

Steps of `post`: read strictly -> find a place -> ask the desk, with the token beside it -> frames -> content -> end.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time

import msgspec
from tornado.iostream import StreamClosedError

from jupyter_secure.broker.authn.hub import presenting
from jupyter_secure.protocol.errors import (
    CancelledError,
    InvalidRequestError,
    SecureError,
    UnauthenticatedError,
    UnavailableError,
)
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
from jupyter_secure.protocol.stream import MEDIA, frame

from .doors import ProvedDoor, TurnedAwayError
from .listeners import Listener
from .meters import label

LOG = logging.getLogger("jupyter_secure.broker")
AT_ONCE = 64
STALL = 60.0  # seconds
PIECE = 1 << 18  # bytes
BEAT = 15.0  # seconds between two signs of life of a quiet broker
_decoder = msgspec.json.Decoder(ToBroker)
_TOO_MANY = "You have too many requests under way. Wait for some of them to end."


class AskHandler(ProvedDoor):
    """One request of a relay."""

    _task: asyncio.Task[None] | None = None
    _begun = False

    async def post(self) -> None:
        """Answer it."""
        request = self._read()
        with self.service.place(self.user, AT_ONCE) as free:
            if not free:
                raise TurnedAwayError(InvalidRequestError(_TOO_MANY), 429)
            self.set_header("Content-Type", MEDIA)
            self._task = asyncio.create_task(self._answer(request))
            await asyncio.wait({self._task})

    def on_connection_close(self) -> None:
        """End what nobody waits for any more."""
        if self._task is not None:
            self._task.cancel()

    def _read(self) -> ToBroker:
        if self.request.headers.get_list("Content-Type") != ["application/json"]:
            raise TurnedAwayError(InvalidRequestError(detail="Content-Type"), 415)
        try:
            request = _decoder.decode(self.request.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise TurnedAwayError(InvalidRequestError()) from None
        body = request.body
        if isinstance(body, Stop) or (isinstance(body, FromKernel) and isinstance(body.request, Cancel)):
            # The operator stops a service; a request is cancelled by closing its connection.
            raise TurnedAwayError(InvalidRequestError())
        return request

    async def _answer(self, request: ToBroker) -> None:
        name, began, outcome = label(request.body), time.monotonic(), "ok"
        try:
            with presenting(self.token):
                await self.service.desk.answer(request.body, self._replier(request.id))
            await self.finish()
        except asyncio.CancelledError:
            outcome = CancelledError.code
            self._cut()
        except StreamClosedError:
            outcome = CancelledError.code
        except SecureError as error:
            outcome = error.code
            if error.detail:
                LOG.info("%s: %s", error.code, error.detail)
            await self._refuse(request.id, error)
        except Exception:
            outcome = SecureError.code
            LOG.exception("an unexpected error")
            await self._refuse(request.id, SecureError())
        finally:
            self.service.meters.requests.labels(name, outcome).inc()
            self.service.meters.seconds.labels(name).observe(time.monotonic() - began)

    def _replier(self, number: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - the desk's Reply
        async def reply(body: RelayReply, fd: int | None = None) -> None:
            self._begun = fd is not None
            await self._send(frame(FromBroker(id=number, body=body)))
            if fd is not None:
                await self._pour(fd)

        return reply

    async def _pour(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.request.connection.stream.set_nodelay(True)  # type: ignore[union-attr]  # no piece waits for the next one
        while True:
            try:
                piece = os.read(fd, PIECE)
            except BlockingIOError:
                await _readable(fd)
                continue
            if not piece:
                return
            self.service.meters.streamed.inc(len(piece))
            await self._send(piece)

    async def _send(self, piece: bytes) -> None:
        self.write(piece)
        try:
            async with asyncio.timeout(STALL):
                await self.flush()
        except (StreamClosedError, TimeoutError):
            self._cut()
            raise CancelledError(detail="the relay reads no more") from None

    async def _refuse(self, number: int, error: SecureError) -> None:
        if self._begun:
            self._cut()
            return
        if not self._headers_written:
            self.set_status(error.status)
        try:
            self.write(frame(FromBroker(id=number, error=error.to_wire())))
            await self.finish()
        except (StreamClosedError, RuntimeError):
            self._cut()

    def _cut(self) -> None:
        self.request.connection.close()  # type: ignore[union-attr]  # there is one until the request has ended


class ChangesHandler(ProvedDoor):
    """A response without end: an envelope with the id 0 for every change, and one with `Done` as a sign of life."""

    _listener: Listener | None = None
    _gone = False

    async def get(self) -> None:
        """Tell until the relay goes, its token ends, or the service stops."""
        with self.service.listeners.listening(self.user) as listener:
            self._listener = listener
            self.set_header("Content-Type", MEDIA)
            try:
                await self._tell(Done())
                while not (self.service.stopping or self._gone):
                    heard = await listener.wait(BEAT)
                    await self.service.hub.introspect(self.token)
                    await self._tell(Changed() if heard else Done())
            except (StreamClosedError, TimeoutError, UnauthenticatedError, UnavailableError):
                self.request.connection.close()  # type: ignore[union-attr]

    def on_connection_close(self) -> None:
        """Give the place free at once."""
        self._gone = True
        if self._listener is not None:
            self._listener.tell()

    async def _tell(self, body: Changed | Done) -> None:
        self.write(frame(FromBroker(id=0, body=body)))
        async with asyncio.timeout(STALL):
            await self.flush()


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    try:
        loop.add_reader(fd, _resolve, ready)
    except OSError as error:  # an ordinary file is always ready
        if error.errno != errno.EPERM:
            raise
        return
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
