"""The one way out of a kernel's walls: a proxy that runs outside them and asks before each connection.

Steps for each connection: read the head strictly, ask (which records it), resolve the name here, refuse an address
that is not public, connect to that very address, pass bytes on. Promises: without an answer there is no connection;
an address inside this computer or its network is reached only where policy names that address itself, so no name
leads to a cloud's metadata service; at most `AT_ONCE` connections of one kernel, none that is silent for `IDLE`
seconds; `review` returns when each connection that is no longer permitted has ended.

What passes is not looked into: who reaches one name of a server reaches the others on the same server and port.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from jupyter_secure.protocol.errors import RefusedError, SecureError, UnavailableError
from jupyter_secure.protocol.host import is_address

from . import request

Ask = Callable[[str, int, bool], Awaitable[None]]  # host, port, whether it stands already

AT_ONCE = 64
IDLE = 300.0  # seconds
HEAD = 30.0  # seconds until the head is there, and until the other side has answered
PIECE = 65_536
# Not public although they look so: IPv4 addresses inside IPv6 ones (6to4, NAT64, Teredo).
_DISGUISED = tuple(map(ipaddress.ip_network, ("2002::/16", "64:ff9b::/32", "2001::/32")))


@dataclass(eq=False)
class _Passage:
    """One connection of the kernel, from its head to its end."""

    task: asyncio.Task[None]
    host: str = ""
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    stirred: float = 0.0  # when bytes last went either way

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()

    async def cut(self) -> None:
        self.task.cancel()
        self.abort()
        await asyncio.wait({self.task})


class EgressProxy:
    """The proxy of one kernel, on a socket that only this kernel sees.

    Args:
        ask: raises if a connection is not permitted.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._passages: set[_Passage] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, path: str) -> None:
        """Begin."""
        self._server = await asyncio.start_unix_server(self._serve, path, limit=request.LONGEST)

    async def review(self) -> None:
        """Ask again about each connection and cut those that are not permitted any more."""
        for passage in [it for it in self._passages if it.host]:
            try:
                await self._ask(passage.host, passage.port, True)
            except SecureError:
                await passage.cut()

    async def close(self) -> None:
        """Cut everything."""
        if self._server is not None:
            self._server.close()
        for passage in list(self._passages):
            await passage.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        passage = _Passage(task, writers=[writer])
        before = len(self._passages)
        self._passages.add(passage)
        try:
            if before < 2 * AT_ONCE:
                head = await _head(reader)  # first, so that whoever is refused can read why
                if before >= AT_ONCE:
                    raise UnavailableError("This kernel has too many connections open.")
                await self._pass(passage, head, reader, writer)
        except SecureError as error:
            await _refuse(writer, error)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # cut, or gone
        finally:
            self._passages.discard(passage)
            for end in passage.writers:
                end.close()

    async def _pass(
        self, passage: _Passage, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        wanted = request.read(head)
        # Before the question, so that a review sees what is being asked.
        passage.host, passage.port = wanted.host, wanted.port
        await self._ask(wanted.host, wanted.port, False)
        there, out = await _connect(wanted.host, wanted.port)
        passage.writers.append(out)
        (writer if wanted.tunnel else out).write(
            b"HTTP/1.1 200 Connection established\r\n\r\n" if wanted.tunnel else wanted.first
        )
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(passage, reader, out))
            both.create_task(_pump(passage, there, writer))


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(HEAD):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        raise ConnectionResetError from None
    except asyncio.LimitOverrunError:
        raise request.malformed("the length") from None


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    literal = is_address(host)  # permitted as the address that it is
    try:
        async with asyncio.timeout(HEAD):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
            if not literal and not all(map(public, addresses)):
                raise RefusedError(f"{host} has an address inside this computer or its network.")
            for address in addresses:
                with contextlib.suppress(OSError):
                    # The address that was looked at, not the name once more.
                    return await asyncio.open_connection(address, port)
    except (OSError, TimeoutError, UnicodeError):
        pass
    raise UnavailableError(f"{host}:{port} cannot be reached.")


def public(address: str) -> bool:
    """Say whether an address lies outside this computer and its own network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    plain = getattr(found, "ipv4_mapped", None) or found
    return plain.is_global and not plain.is_multicast and not any(plain in network for network in _DISGUISED)


async def _pump(passage: _Passage, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while piece := await _piece(passage, source):
            sink.write(piece)
            async with asyncio.timeout(IDLE):
                await sink.drain()
        sink.write_eof()
    except (OSError, TimeoutError):
        passage.abort()


async def _piece(passage: _Passage, source: asyncio.StreamReader) -> bytes:
    loop = asyncio.get_running_loop()
    passage.stirred = passage.stirred or loop.time()
    while True:
        try:
            async with asyncio.timeout(IDLE):
                piece = await source.read(PIECE)
        except TimeoutError:
            if loop.time() - passage.stirred >= IDLE:  # the other way is silent too
                raise
        else:
            passage.stirred = loop.time()
            return piece


async def _refuse(writer: asyncio.StreamWriter, error: SecureError) -> None:
    body = f"{error.public}\n".encode()
    status = 403 if isinstance(error, RefusedError) else error.status
    head = f"HTTP/1.1 {status} Refused by the guard\r\nContent-Type: text/plain; charset=utf-8\r\n"
    with contextlib.suppress(OSError):
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
