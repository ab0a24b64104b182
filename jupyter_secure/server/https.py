"""One HTTP exchange with the broker, read as it arrives and held back when nobody takes it.

Promises: the certificate is checked, always, against the named authority or the system's; no redirect is followed and
no proxy is used; a connection is used again only after a response that ended whole; giving up an exchange closes its
connection, by which the broker knows. Kept apart from what is said over it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import urlsplit

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError
from tornado.tcpclient import TCPClient

from jupyter_secure.protocol.errors import InstallationError, SecureError, UnavailableError

CONNECT = 10.0  # seconds
KEPT = 8  # idle connections
KEPT_FOR = 30.0  # seconds; less than the broker keeps them
PIECE = 1 << 18  # bytes
_UNSAFE = (
    "The broker's address must begin with https://, because the server's token travels there. "
    "Plain http:// is for a broker on this computer alone."
)
_UNUSABLE = "The authority or the certificate for the broker cannot be used. Check the names of the files."
Take = Callable[[int, str, bytes], Awaitable[None]]


class Https:
    """Connections to one broker.

    Args:
        url: its address, with the path below which it is reached.
        tls: checks its certificate, and may show one of ours.

    Raises:
        InstallationError: the address is not safe to send a token to.
    """

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        found = urlsplit(url)
        if found.scheme not in {"http", "https"} or not found.hostname or found.username or found.query:
            raise InstallationError(_UNSAFE)
        if found.scheme == "http" and found.hostname not in {"127.0.0.1", "::1", "localhost"}:
            raise InstallationError(_UNSAFE)
        self._tls = (tls or ssl.create_default_context()) if found.scheme == "https" else None
        self._host = found.hostname
        self._port = found.port or (443 if self._tls else 80)
        self._netloc = found.netloc
        self._base = found.path.rstrip("/")
        self._client = TCPClient()
        self._idle: list[tuple[float, IOStream]] = []

    async def exchange(self, method: str, path: str, headers: dict[str, str], body: bytes, take: Take) -> None:
        """Ask; `take(status, media, piece)` is awaited for each piece of the response, and holds it back meanwhile.

        Raises:
            UnavailableError: there is no broker, its certificate is not to be trusted, or it broke off.
        """
        with self._given_up_on_failure(await self._connected()) as stream:
            connection = HTTP1Connection(stream, True, HTTP1ConnectionParameters(chunk_size=PIECE))
            told = HTTPHeaders({"Host": self._netloc, **headers, "Content-Length": str(len(body))})
            reader = _Reader(take)
            await connection.write_headers(RequestStartLine(method, self._base + path, ""), told, body)
            connection.finish()
            await connection.read_response(reader)
            if reader.failure is not None:
                raise reader.failure
            if not reader.whole:
                raise UnavailableError(detail="the broker broke off")
            if not reader.closes and not stream.closed():
                stream.set_close_callback(lambda: None)  # only with one does a stream notice that the far side has gone
                self._idle.append((time.monotonic(), stream))

    def forget(self) -> None:
        """Close what is idle, so that the next exchange connects anew."""
        for _, stream in self._idle:
            stream.close()
        self._idle.clear()

    def close(self) -> None:
        """Close everything."""
        self.forget()
        self._client.close()

    async def _connected(self) -> IOStream:
        while self._idle:
            since, stream = self._idle.pop()
            stream.set_close_callback(None)
            if not stream.closed() and time.monotonic() - since < KEPT_FOR and len(self._idle) < KEPT:
                return stream
            stream.close()
        try:
            stream = await self._client.connect(self._host, self._port, timeout=CONNECT)
            return stream if self._tls is None else await _secured(stream, self._tls, self._host)
        except (OSError, StreamClosedError, TimeoutError) as error:
            raise UnavailableError(detail=f"connect: {type(error).__name__}") from None

    @contextlib.contextmanager
    def _given_up_on_failure(self, stream: IOStream) -> Iterator[IOStream]:
        try:
            yield stream
        except (StreamClosedError, OSError) as error:
            stream.close()
            raise UnavailableError(detail=f"the broker broke off: {type(error).__name__}") from None
        except BaseException:
            stream.close()
            raise


async def _secured(plain: IOStream, tls: ssl.SSLContext, host: str) -> IOStream:
    raw = plain.socket.dup()
    plain.close()
    raw.setblocking(False)
    secured = tls.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
    stream = _TlsStream(secured, ssl_options=tls, read_chunk_size=PIECE)
    try:
        async with asyncio.timeout(CONNECT):
            await stream.wait_for_handshake()
    except BaseException:
        stream.close()
        raise
    return stream


class _TlsStream(SSLIOStream):
    """Reads all the records that have arrived at once; OpenSSL hands out one of 16 KiB at a time."""

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        view, done = memoryview(buf), 0
        part: int | None = None
        while done < len(view):
            part = super().read_from_fd(view[done:])
            if not part:  # nothing more now, or the end, which the next call says again
                break
            done += part
        return done or part


class _Reader(HTTPMessageDelegate):
    """Passes a response on, piece by piece."""

    def __init__(self, take: Take) -> None:
        self.whole = False
        self.closes = False
        self.failure: BaseException | None = None
        self._take = take
        self._status = 0
        self._media = ""

    def headers_received(self, start_line: ResponseStartLine, headers: HTTPHeaders) -> None:
        self._status = start_line.code
        self._media = headers.get("Content-Type", "")
        self.closes = headers.get("Connection", "").lower() == "close"

    async def data_received(self, chunk: bytes) -> None:
        try:
            await self._take(self._status, self._media, chunk)
        except (SecureError, asyncio.CancelledError) as error:
            # Tornado would log any error but its own; `exchange` raises the true one.
            self.failure = error
            raise HTTPInputError from None

    def finish(self) -> None:
        self.whole = True

    def on_connection_close(self) -> None:
        self.whole = False


def trusting(ca: str, cert: str = "", key: str = "") -> ssl.SSLContext:
    """Return what checks the broker's certificate against `ca`, or the system's authorities, and shows ours.

    Raises:
        InstallationError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca or None)
        if cert:
            context.load_cert_chain(cert, key or None)
    except (OSError, ssl.SSLError):
        raise InstallationError(_UNUSABLE) from None
    return context
