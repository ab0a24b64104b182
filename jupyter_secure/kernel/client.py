"""Asks the relay, one request at a time, and waits for the answer.

Promises: threads and subshells take turns; Ctrl-C stops the request at the broker too; an answer that comes too late is
thrown away and its descriptor closed; an error of the far side arrives as the same class. The kernel's key is made when
the first view is wanted, so a kernel that never loads anything pays nothing.

Steps of `request`: wait for the turn, say hello before the first view, send, show progress, return the reply.
"""

from __future__ import annotations

import base64
import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from jupyter_secure.protocol.access import MAX_DAYS
from jupyter_secure.protocol.errors import (
    InstallationError,
    IntegrityError,
    InvalidRequestError,
    SecureError,
    UnavailableError,
    from_wire,
)
from jupyter_secure.protocol.messages import (
    Cancel,
    FromRelay,
    Hello,
    KernelReply,
    KernelRequest,
    Load,
    Progress,
    Query,
    ToRelay,
    Welcome,
)
from jupyter_secure.protocol.wire import INLINE, Codec, close_all, receive_datagram

from . import channel

GONE = "The secure channel of this kernel is closed. Save your work and restart the kernel."
FORKED = (
    "This process was forked from the notebook's kernel and has no secure channel of its own. "
    "Load the data in the notebook and pass it on."
)
BUSY = "Another cell of this kernel is still loading. Wait for it, or interrupt it."

PAUSE = 200  # milliseconds
GREETING = 5.0  # seconds
ShowProgress = Callable[[int, int], None]


class Client:
    """The kernel's end of its channel.

    Args:
        sock: a connected SEQPACKET socket; the client owns it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._codec: Codec[FromRelay, ToRelay] = Codec(FromRelay)
        self._turn = threading.Lock()
        self._number = 0
        self._key: Any = None
        self._greeted = False
        self._pid = os.getpid()

    def request(
        self, message: KernelRequest, progress: ShowProgress | None = None, *, timeout: float | None = None
    ) -> tuple[KernelReply, int | None]:
        """Send one request; return the reply and its descriptor, which the caller closes (`open` does).

        Args:
            message: what to ask.
            progress: called with rows and total.
            timeout: seconds for everything; None waits as long as it takes.

        Raises:
            SecureError: the answer is an error, or there is none.
            KeyboardInterrupt: the person interrupted; the broker was told.
        """
        if os.getpid() != self._pid:
            raise InstallationError(FORKED)
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._turn.acquire(timeout=-1 if timeout is None else timeout):
            raise UnavailableError(BUSY)
        try:
            if isinstance(message, Load | Query) and not self._greeted:
                self._greet(deadline)
            return self._exchange(message, progress, deadline)
        except UnavailableError:
            self._greeted = False  # a broker that was restarted does not know our key
            raise
        finally:
            self._turn.release()

    def greet(self) -> None:
        """Say hello ahead of the first view, if nobody is asking just now.

        Raises:
            SecureError: the broker does not answer; the first view will try again.
        """
        if not self._turn.acquire(blocking=False):
            return
        try:
            if not self._greeted:
                self._greet(time.monotonic() + GREETING)
        finally:
            self._turn.release()

    def open(self, reply: Any, fd: int, progress: ShowProgress | None = None, frame: str = "arrow") -> Any:
        """Return the frame behind a descriptor, which is closed in every case.

        Raises:
            IntegrityError: it is not what was sealed to this kernel.
            SecureError: it cannot become a frame of that kind (`kernel.frames.gatherer`), or came to nothing.
        """
        try:
            from .frames import gatherer
            from .opener import open_view

            if self._key is None:
                raise IntegrityError(detail="a view arrived before the kernel had a key")
            shown = None if progress is None else lambda rows: progress(rows, reply.rows)
            expected = getattr(reply, "rows", 0)
            gathers = partial(gatherer, frame, rows=expected)
            return open_view(fd, reply.seal, reply.info, self._key, progress=shown, gathers=gathers)
        finally:
            close_all([fd])

    def close(self) -> None:
        """Close the channel for good."""
        self._sock.close()

    def _greet(self, deadline: float | None) -> None:
        from .opener import KernelKey

        if self._key is None:
            self._key = KernelKey()
        reply, fd = self._exchange(Hello(public_key=base64.b64encode(self._key.public_bytes).decode()), None, deadline)
        close_all([] if fd is None else [fd])
        if not isinstance(reply, Welcome):
            raise UnavailableError(detail="hello was not answered by a welcome")
        self._greeted = True

    def _exchange(
        self, message: KernelRequest, progress: ShowProgress | None, deadline: float | None
    ) -> tuple[KernelReply, int | None]:
        self._number += 1
        number = self._number
        self._send(number, message)
        try:
            return self._answer(number, progress, deadline)
        except KeyboardInterrupt:
            self._cancel(number)
            raise

    def _answer(
        self, number: int, progress: ShowProgress | None, deadline: float | None
    ) -> tuple[KernelReply, int | None]:
        while True:
            envelope, fds = self._receive(deadline)
            if envelope.id not in (0, number):
                close_all(fds)  # the late answer to a request that was interrupted
                continue
            if envelope.error is not None:
                close_all(fds)
                raise from_wire(envelope.error)
            if isinstance(envelope.body, Progress):
                close_all(fds)
                if progress is not None:
                    progress(envelope.body.rows, envelope.body.total)
            elif envelope.body is not None:
                return envelope.body, fds[0] if fds else None

    def _send(self, number: int, message: KernelRequest) -> None:
        envelope = ToRelay(id=number, body=message)
        data = b"\0" + msgspec.json.encode(envelope)
        try:
            # The far side would refuse a malformed name with one sentence for all; here the field is still known.
            msgspec.json.decode(data[1:], type=ToRelay)
        except msgspec.ValidationError as error:
            raise InvalidRequestError(_malformed(message, str(error))) from None
        if len(data) > INLINE:
            raise InvalidRequestError("That request is too long. Name fewer columns, or none for all.")
        try:
            self._sock.send(data)
        except OSError as error:
            raise UnavailableError(GONE, detail=f"send: {error}") from None

    def _receive(self, deadline: float | None) -> tuple[FromRelay, list[int]]:
        self._wait(deadline)
        try:
            data, fds = receive_datagram(self._sock)
        except OSError as error:
            raise UnavailableError(GONE, detail=f"receive: {error}") from None
        if not data:
            raise UnavailableError(GONE)
        return self._codec.unpack(data, fds, 1)

    def _wait(self, deadline: float | None) -> None:
        # Some packages (polars is one) install a handler that makes blocking reads go on after Ctrl-C. Polling never
        # does, and the short pause covers a signal that arrives just before it.
        waiting = select.poll()
        waiting.register(self._sock, select.POLLIN)
        while not waiting.poll(PAUSE):
            if deadline is not None and time.monotonic() >= deadline:
                raise UnavailableError(BUSY)

    def _cancel(self, number: int) -> None:
        self._number += 1
        with contextlib.suppress(SecureError):  # if the channel is gone, so is the request
            self._send(self._number, Cancel(request=number))


_ASKED = {
    "reason": 'Say in one line, of at most 500 characters, why you need it: `--reason "..."`.',
    "days": f"Ask for 1 to {MAX_DAYS} days: `--days 7`.",
}


def _malformed(message: KernelRequest, said: str) -> str:
    field = said.rpartition("$.body.")[2].split("[")[0].rstrip("`") if "$.body." in said else ""
    if field == "dataset":
        return "That is not the name of a dataset. `%secure_catalog` lists them."
    if field in _ASKED:
        return _ASKED[field]
    named = f" at `{field}`" if field else ""
    return f"That {type(message).__name__.lower()} request is not well formed{named}. See the help of the command."


class _Connection:
    """The one client of this process, made when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Client | None = None

    def client(self) -> Client:
        """Return the client.

        Raises:
            InstallationError: this process inherited no channel.
        """
        with self._lock:
            if self._client is None:
                sock = channel.take()
                if sock is None:
                    raise InstallationError(channel.MISSING)
                self._client = Client(sock)
            return self._client

    def available(self) -> bool:
        """Say whether there is a channel, taking it out of the environment if so."""
        try:
            self.client()
        except InstallationError:
            return False
        return True


CONNECTION = _Connection()
