"""Messages over a Unix SEQPACKET socket, with descriptors beside them.

One datagram is one message: a flag byte, then JSON. A message of more than `INLINE` bytes travels as a sealed memfd
(flag 1), so the socket's buffer never limits an answer. Promises: nothing is unpickled; sizes are checked before
anything is decoded; descriptors that the receiver did not ask for are closed; received descriptors are close-on-exec.

Steps of `receive`: one `recvmsg`, refuse truncation, close surplus descriptors, read a spilled body, decode strictly.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from .errors import InvalidRequestError, UnavailableError

INLINE = 60_000
SPILL = 64 * 2**20
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

Inward = TypeVar("Inward")
Outward = TypeVar("Outward")


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a new private channel."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
    return ends


def seal_memory(name: str, content: bytes) -> int:
    """Return the descriptor of an immutable memory file, at its beginning; the caller closes it."""
    fd = os.memfd_create(name, os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "wb", buffering=0) as out:
        view = memoryview(content)
        while view:
            view = view[out.write(view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    return fd


def read_sealed(fd: int, limit: int = SPILL) -> bytes:
    """Return the content of a memory file that nobody can change any more.

    Raises:
        InvalidRequestError: the file is not sealed, or larger than `limit` bytes.
    """
    try:
        sealed = fcntl.fcntl(fd, fcntl.F_GET_SEALS) & SEALS == SEALS
    except OSError:
        sealed = False
    size = os.fstat(fd).st_size
    if not sealed or size > limit:
        raise InvalidRequestError(detail="a descriptor is not a sealed memory file of permitted size")
    return os.pread(fd, size, 0)


class Codec(Generic[Inward, Outward]):
    """Packs and unpacks the envelopes of one direction each way."""

    def __init__(self, inward: type[Inward], *, spill: bool = True) -> None:
        self._decoder = msgspec.json.Decoder(inward)
        self._encoder = msgspec.json.Encoder()
        self._spill = spill

    def pack(self, message: Outward) -> tuple[bytes, list[int]]:
        """Return the datagram and, for a large message, the one descriptor that holds it.

        Raises:
            InvalidRequestError: a text in the message has no UTF-8 form.
        """
        try:
            body = self._encoder.encode(message)
        except UnicodeEncodeError as error:  # a lone surrogate, for example in the name of a file
            raise InvalidRequestError(detail=str(error)) from None
        if len(body) <= INLINE:
            return b"\0" + body, []
        return b"\1", [seal_memory("message", body)]

    def unpack(self, data: bytes, fds: list[int], wanted: int) -> tuple[Inward, list[int]]:
        """Return the message and at most `wanted` further descriptors; every other one is closed.

        Raises:
            InvalidRequestError: the datagram is not one well-formed message.
        """
        spare = list(fds)
        try:
            message = self._decoder.decode(self._body(data, spare))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            close_all(spare)
            raise InvalidRequestError(detail=f"{type(error).__name__}: {error}"[:200]) from None
        except BaseException:
            close_all(spare)
            raise
        close_all(spare[wanted:])
        return message, spare[:wanted]

    def _body(self, data: bytes, spare: list[int]) -> bytes:
        if data[:1] == b"\0":
            return data[1:]
        if data[:1] == b"\1" and self._spill and spare:
            try:
                return read_sealed(spare[0])
            finally:
                os.close(spare.pop(0))
        raise InvalidRequestError(detail="unknown flag")


def close_all(fds: list[int]) -> None:
    """Close descriptors; one that is closed already is no error."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def receive_datagram(sock: socket.socket) -> tuple[bytes, list[int]]:
    """Return one datagram and its descriptors; empty bytes mean that the far side has gone.

    Raises:
        InvalidRequestError: the datagram did not fit.
    """
    room = socket.CMSG_SPACE(4 * array.array("i").itemsize)
    data, ancillary, flags, _ = sock.recvmsg(INLINE + 1, room, socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        close_all(list(fds))
        raise InvalidRequestError(detail="a datagram was truncated")
    if not data:  # an empty datagram looks like the end, and counts as it
        close_all(list(fds))
        return b"", []
    return data, list(fds)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class Channel(Generic[Inward, Outward]):
    """A socket end inside an event loop.

    A far side that never stops sending gets one datagram per turn of the loop, so that others have their turn.
    """

    def __init__(self, sock: socket.socket, codec: Codec[Inward, Outward], *, wanted: int = 0) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._codec = codec
        self._wanted = wanted
        self._sending = asyncio.Lock()
        self._waiting: dict[asyncio.Future[None], Callable[[socket.socket], object]] = {}

    async def send(self, message: Outward, fds: tuple[int, ...] = ()) -> None:
        """Send one message; descriptors stay the caller's to close.

        Raises:
            UnavailableError: the far side has gone.
            InvalidRequestError: the message cannot be written.
        """
        data, own = self._codec.pack(message)
        try:
            async with self._sending:
                await self._send(data, [*own, *fds])
        except OSError as error:
            raise UnavailableError(detail=f"send: {error}") from None
        finally:
            close_all(own)

    async def _send(self, data: bytes, fds: list[int]) -> None:
        while True:
            try:
                socket.send_fds(self._sock, [data], fds)
            except BlockingIOError:
                await self._writable()
            else:
                return

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        await self._ready(loop.add_writer, loop.remove_writer)

    async def receive(self) -> tuple[Inward, list[int]] | None:
        """Return the next message and its descriptors, or None when the far side has gone.

        Raises:
            InvalidRequestError: the datagram is not a message; the channel stays usable.
        """
        await asyncio.sleep(0)
        while True:
            try:
                data, fds = receive_datagram(self._sock)
            except BlockingIOError:
                await self._readable()
                continue
            except OSError:
                return None
            return self._codec.unpack(data, fds, self._wanted) if data else None

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        await self._ready(loop.add_reader, loop.remove_reader)

    async def _ready(self, add: Callable[..., object], remove: Callable[[socket.socket], object]) -> None:
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[ready] = remove
        add(self._sock, _resolve, ready)
        try:
            await ready
        finally:
            if self._waiting.pop(ready, None):
                remove(self._sock)

    def close(self) -> None:
        """Close the socket; the far side's `receive` returns None, and whoever waits here learns that it is gone."""
        while self._waiting:
            ready, remove = self._waiting.popitem()
            remove(self._sock)
            _resolve(ready)
        self._sock.close()
