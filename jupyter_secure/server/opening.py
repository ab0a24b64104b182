"""Opening the vault before the server's event loop runs: where the passphrase comes from.

`terminal` asks on the terminal, `fd` reads one line from an inherited descriptor, `keyring` asks the operating system's
keyring, `panel` leaves it to the sidebar. Promises: the passphrase goes to the broker as one message on the private
socket; it is never written to a file, an argument, the environment or the log, and is not kept here afterwards. Every
way that fails leaves the vault locked, and the sidebar can still open it.
"""

from __future__ import annotations

import getpass
import itertools
import json
import logging
import os
import socket
import sys
from pathlib import Path

from jupyter_secure.protocol.errors import SecureError, UnavailableError, UnlockError, from_wire
from jupyter_secure.protocol.messages import FromBroker, RelayReply, RelayRequest, State, StateReply, ToBroker, Unlock
from jupyter_secure.protocol.wire import Codec, close_all, receive_datagram

KEYRING_SERVICE = "jupyter-secure"
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


def open_vault(sock: socket.socket, source: str, fd: int, vault: str, log: logging.Logger) -> None:
    """Make sure the broker answers and open the vault from `source` if it can be opened from there now.

    Raises:
        UnavailableError: there is no broker.
    """
    state = ask(sock, State())
    if not isinstance(state, StateReply) or state.vault == "unlocked":
        return
    for passphrase in passphrases(source, fd, vault):
        try:
            ask(sock, Unlock(passphrase=passphrase[:1024]))
        except UnlockError as error:
            log.warning("%s", error.public)
        else:
            log.info("The vault is open.")
            return
    log.warning("The vault is locked. Unlock it in the Secure Data sidebar.")


def passphrases(source: str, fd: int, vault: str) -> list[str] | _Terminal:
    """Return what to try, in order; an empty passphrase is never tried."""
    if source == "terminal" and sys.stdin is not None and sys.stdin.isatty():
        return _Terminal()
    found = ""
    if source == "fd" and fd >= 0:
        found = read_line(fd)
    elif source == "keyring":
        found = from_keyring(vault)
    return [found] if found else []


def read_line(fd: int) -> str:
    """Read one line from an inherited descriptor and close it."""
    with os.fdopen(fd, "rb") as source:
        return source.readline(4096).rstrip(b"\r\n").decode("utf-8", "replace")


def from_keyring(vault: str) -> str:
    """Return what the keyring holds under the identifier of this vault, empty if nothing.

    `jupyter secure init --keyring` put it there. `vault.json` holds the identifier and no secret.
    """
    import keyring
    import keyring.errors

    try:
        known = json.loads((Path(vault) / "vault.json").read_bytes())
        return keyring.get_password(KEYRING_SERVICE, str(known["id"])) or ""
    except (OSError, ValueError, LookupError, TypeError, keyring.errors.KeyringError):
        return ""


class _Terminal:
    """Asks up to `TRIES` times; an empty line stops."""

    def __iter__(self) -> _Terminal:
        self._left = TRIES
        return self

    def __next__(self) -> str:
        self._left -= 1
        typed = getpass.getpass(_PROMPT) if self._left >= 0 else ""
        if not typed:
            raise StopIteration
        return typed
