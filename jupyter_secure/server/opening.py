"""Opening the vault before the server's event loop runs: where the passphrase comes from.

`terminal` asks on the terminal, `fd` reads one line from an inherited descriptor, `keyring` lets the broker ask the
operating system's keyring, `panel` leaves it to the sidebar. Promises: the passphrase goes to the broker as one message
on the private socket; it is never written to a file, an argument, the environment or the log, and is not kept here
afterwards. Every way that fails leaves the vault locked, and the sidebar can still open it.
"""

from __future__ import annotations

import getpass
import itertools
import logging
import os
import socket
import sys
from collections.abc import Iterable, Iterator

from jupyter_secure.protocol.errors import InstallationError, SecureError, UnavailableError, UnlockError, from_wire
from jupyter_secure.protocol.messages import (
    FromBroker,
    RelayReply,
    RelayRequest,
    State,
    StateReply,
    ToBroker,
    Unlock,
    UnlockFromKeyring,
)
from jupyter_secure.protocol.wire import Codec, close_all, receive_datagram

FIRST_ANSWER = 60.0  # seconds: a cold start on a slow disk imports for a while
TRIES = 3
_PROMPT = "Passphrase of the vault (empty: unlock later in the sidebar): "
_numbers = itertools.count(1)


def ask(sock: socket.socket, body: RelayRequest) -> RelayReply:
    """Send one request and wait for its answer; only before the socket belongs to an event loop.

    Raises:
        UnavailableError: the broker ended or stayed silent.
        SecureError: what it answered.
    """
    codec: Codec[FromBroker, ToBroker] = Codec(FromBroker)
    number = next(_numbers)
    sock.settimeout(FIRST_ANSWER)
    try:
        sock.send(codec.pack(ToBroker(id=number, body=body))[0])
        while True:
            data, fds = receive_datagram(sock)
            if not data:
                raise UnavailableError(detail="the broker ended")
            message, rest = codec.unpack(data, fds, 0)
            close_all(rest)
            if message.id == number:
                break
    except OSError as error:
        raise UnavailableError(detail=str(error)) from None
    if message.error is not None:
        raise from_wire(message.error)
    if message.body is None:
        raise SecureError(detail="an empty answer")
    return message.body


def open_vault(sock: socket.socket, source: str, fd: int, log: logging.Logger) -> None:
    """Make sure the broker answers and open the vault from `source` if it can be opened from there now.

    Raises:
        UnavailableError: there is no broker.
    """
    state = ask(sock, State())
    if not isinstance(state, StateReply) or state.vault == "unlocked":
        return
    for body in attempts(source, fd):
        try:
            ask(sock, body)
        except (UnlockError, InstallationError) as error:
            log.warning("%s", error.public)
        else:
            log.info("The vault is open.")
            return
    log.warning("The vault is locked. Unlock it in the Secure Data sidebar.")


def attempts(source: str, fd: int) -> Iterator[Unlock | UnlockFromKeyring]:
    """Give what to try, in order; an empty passphrase is never tried."""
    if source == "keyring":
        yield UnlockFromKeyring()
        return
    typed: Iterable[str] = ()
    if source == "terminal" and sys.stdin is not None and sys.stdin.isatty():
        typed = (getpass.getpass(_PROMPT) for _ in range(TRIES))
    elif source == "fd" and fd >= 0:
        typed = (read_line(fd),)
    for passphrase in typed:
        if not passphrase:
            return
        yield Unlock(passphrase=passphrase[:1024])


def read_line(fd: int) -> str:
    """Read one line from an inherited descriptor and close it."""
    with os.fdopen(fd, "rb") as source:
        return source.readline(4096).rstrip(b"\r\n").decode("utf-8", "replace")
