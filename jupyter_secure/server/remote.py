"""The broker of a Hub, asked over HTTPS: the same face as `upstream.Upstream`, which asks a child of this server.

One POST is one request, shown with the server's own token. Promises: the token is in this process alone, in no message,
file, log or kernel; a view is poured into a pipe as fast as the kernel reads it, and no faster; giving up a request
closes its connection, which ends it at the broker; a broker that went and came back is used again without a word, since
grants live in its store.

Deliberately absent: a second try. A question may have been paid for, so whether to ask again is the person's business.
The one exception is a broker that refuses before it looks because it is being stopped: another may stand behind the
same address by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import logging
import os
from collections.abc import Awaitable, Callable

import msgspec

from jupyter_secure.protocol.errors import (
    FAMILY,
    CancelledError,
    InvalidRequestError,
    SecureError,
    UnavailableError,
    from_wire,
)
from jupyter_secure.protocol.messages import (
    Cancel,
    Changed,
    FromBroker,
    FromKernel,
    Progress,
    RelayReply,
    RelayRequest,
    ToBroker,
)
from jupyter_secure.protocol.stream import MEDIA, Unframer, brings_data
from jupyter_secure.protocol.wire import close_all

from .https import Https

OnProgress = Callable[[Progress], Awaitable[None]]
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds between two attempts to listen; the last one is repeated
PIPE = 1 << 20  # bytes; each time that it is full costs a turn of the loop
SILENT = 60.0  # seconds without a sign of life, after which the line counts as dead
_encoder = msgspec.json.Encoder()


class Remote:
    """A broker elsewhere.

    Args:
        https: the way there.
        token: the server's own.
        changed: called when something that panels show has changed, and when the broker has come or gone.
        log: for the person who runs this server.
    """

    def __init__(self, https: Https, token: str, changed: Callable[[], None], log: logging.Logger) -> None:
        self._https = https
        self._token = token
        self._changed = changed
        self._log = log
        self._numbers = itertools.count(1)
        self._exchanges: dict[int, _Exchange] = {}
        self._pouring: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Task[None] | None = None
        self._connected = False

    def __repr__(self) -> str:
        """Return the class alone."""
        return "Remote(...)"

    @property
    def connected(self) -> bool:
        """Say whether the broker was there a moment ago."""
        return self._connected

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
            issued: told the number by which `tell` may cancel the request, before it is sent.
            patience: seconds to wait for the reply; None waits as long as the broker lives.

        Raises:
            UnavailableError: no broker, it has gone meanwhile, or it was silent for too long.
            SecureError: what the broker answered.
        """
        number = next(self._numbers)
        exchange = _Exchange(number, progress)
        self._exchanges[number] = exchange
        if issued is not None:
            issued(number)
        task = asyncio.create_task(self._exchange(exchange, body))
        self._pouring.add(task)
        task.add_done_callback(self._pouring.discard)
        exchange.task = task
        try:
            async with asyncio.timeout(patience):
                return await asyncio.shield(exchange.reply)
        except TimeoutError:
            exchange.abandon()
            raise UnavailableError(detail=f"no answer to {type(body).__name__}") from None
        except asyncio.CancelledError:
            exchange.abandon()
            raise
        finally:
            del self._exchanges[number]

    async def tell(self, body: RelayRequest) -> None:
        """Cancel a request; there is nothing else that a remote broker is told without an answer."""
        if isinstance(body, FromKernel) and isinstance(body.request, Cancel):
            exchange = self._exchanges.get(body.request.request)
            if exchange is not None and not exchange.reply.done():
                exchange.fail(CancelledError())
                exchange.abandon()

    def listen(self, returned: Callable[[], None]) -> None:
        """Hear of changes from now on; `returned` is called each time that the broker is there again."""
        self._listening = asyncio.get_running_loop().create_task(self._listen(returned))

    async def close(self) -> None:
        """End everything that is under way."""
        tasks = [*self._pouring, *([self._listening] if self._listening else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._https.close()

    async def _exchange(self, exchange: _Exchange, body: RelayRequest) -> None:
        try:
            message = _encoder.encode(ToBroker(id=exchange.number, body=body))
            headers = {"Authorization": f"token {self._token}", "Content-Type": "application/json", "Accept": MEDIA}
            try:
                await self._https.exchange("POST", "/v1/ask", headers, message, exchange.take)
            except _NotTakenError:
                self._https.forget()
                await self._https.exchange("POST", "/v1/ask", headers, message, exchange.take)
            exchange.fail(UnavailableError(detail="the broker's answer has no end"))
        except SecureError as error:
            exchange.fail(error)
        except UnicodeEncodeError:
            exchange.fail(InvalidRequestError(detail="a text has no UTF-8 form"))
        finally:
            exchange.fail(UnavailableError(detail="given up"))
            exchange.end()

    async def _listen(self, returned: Callable[[], None]) -> None:
        failures = 0
        while True:
            unframer = Unframer(endless=True)

            async def take(status: int, media: str, piece: bytes, unframer: Unframer = unframer) -> None:
                nonlocal failures
                _require_ours(status, media, piece)
                if not self._connected:
                    failures, self._connected = 0, True
                    returned()
                beat.reschedule(asyncio.get_running_loop().time() + SILENT)
                for envelope in unframer.feed(piece):
                    if isinstance(envelope.body, Changed):
                        self._changed()

            headers = {"Authorization": f"token {self._token}", "Accept": MEDIA}
            try:
                async with asyncio.timeout(SILENT) as beat:
                    await self._https.exchange("GET", "/v1/changes", headers, b"", take)
            except (SecureError, TimeoutError) as error:
                self._lost(error)
            self._connected = False
            self._https.forget()  # who ends the line may be about to close the other connections too
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1

    def _lost(self, error: Exception) -> None:
        if self._connected:
            self._log.warning("The broker cannot be reached (%s). Trying again.", getattr(error, "public", "silence"))
            self._changed()


class _NotTakenError(UnavailableError):
    """Refused before anybody looked at it, as by a broker that is being stopped."""


class _Exchange:
    """One request under way.

    Attributes:
        reply: the final reply with its descriptors.
    """

    def __init__(self, number: int, progress: OnProgress | None) -> None:
        self.number = number
        self.reply: asyncio.Future[tuple[RelayReply, list[int]]] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None
        self._progress = progress
        self._unframer = Unframer()
        self._pipe: int | None = None

    async def take(self, status: int, media: str, piece: bytes) -> None:
        """Read a piece of the response."""
        _require_ours(status, media, piece)
        if not self._unframer.last:
            for envelope in self._unframer.feed(piece):
                await self._open(envelope)
            piece = self._unframer.rest() if self._unframer.last else b""
        if piece:
            await self._pour(piece)

    def fail(self, error: SecureError) -> None:
        """Answer with an error, unless there is an answer already."""
        if not self.reply.done():
            self.reply.set_exception(error)

    def abandon(self) -> None:
        """Close the connection, and what nobody took."""
        if self.task is not None:
            self.task.cancel()
        if not self.reply.done():
            self.reply.cancel()
        elif not self.reply.cancelled() and self.reply.exception() is None:
            close_all(self.reply.result()[1])

    def end(self) -> None:
        """Close the pipe; whoever reads it sees the end."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    async def _open(self, envelope: FromBroker) -> None:
        if envelope.error is not None:
            self.fail(from_wire(envelope.error))
        elif isinstance(envelope.body, Progress):
            if self._progress is not None:
                await self._progress(envelope.body)
        elif envelope.body is None:
            self.fail(SecureError(detail="an empty answer"))
        elif not self.reply.done():
            self.reply.set_result((envelope.body, self._new_pipe() if brings_data(envelope) else []))

    def _new_pipe(self) -> list[int]:
        reading, self._pipe = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._pipe, False)
        with contextlib.suppress(OSError):  # more than this user may have: the default size works too
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, PIPE)
        return [reading]

    async def _pour(self, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            if self._pipe is None:
                raise InvalidRequestError(detail="content where none belongs")
            try:
                view = view[os.write(self._pipe, view) :]
            except BlockingIOError:
                await _writable(self._pipe)
            except BrokenPipeError:
                raise CancelledError(detail="the kernel reads no more") from None


def _require_ours(status: int, media: str, piece: bytes) -> None:
    # What a proxy or another service answers is no envelope; a refusal before the desk is `{code, public}`.
    if media == MEDIA:
        return
    with contextlib.suppress(msgspec.DecodeError):
        told = msgspec.json.decode(piece)
        if isinstance(told, dict) and set(told) == {"code", "public"} and told["code"] in FAMILY:
            kind = FAMILY[told["code"]]
            raise (_NotTakenError if kind is UnavailableError else kind)(str(told["public"])[:500])
    raise UnavailableError(detail=f"an answer of another kind, status {status}")


async def _writable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(fd)
