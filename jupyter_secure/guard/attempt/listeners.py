"""Sockets that stand where other programs' sockets stand, and remember who spoke the token to them."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any, Self


class Listeners:
    """A context manager; `addresses` is what an attempt is told."""

    def __init__(self, place: Path, token: str) -> None:
        self._place, self._token = place, token.encode()
        self._stack = contextlib.ExitStack()
        self._sockets: dict[str, socket.socket] = {}

    def __enter__(self) -> Self:
        stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
        self._listen("tcp", socket.AF_INET, stream, ("127.0.0.1", 0))
        self._listen("udp", socket.AF_INET, datagram, ("127.0.0.1", 0))
        self._listen("dns", socket.AF_INET, datagram, ("127.0.0.53", 0))
        self._listen("abstract", socket.AF_UNIX, stream, f"\0jsec-{self._token.decode()}")
        for name in ("docker", "bus", "kernel"):
            self._listen(name, socket.AF_UNIX, stream, str(self._place / f"{name}.sock"))
        self._listen("datagram", socket.AF_UNIX, datagram, str(self._place / "datagram.sock"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._free = free.getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def addresses(self) -> dict[str, Any]:
        """Return the port or path of each."""
        found: dict[str, Any] = {"free": self._free}
        for name, sock in self._sockets.items():
            address = sock.getsockname()
            if isinstance(address, tuple):
                address = address[1]
            found[name] = address[1:].decode() if isinstance(address, bytes) else address
        return found

    def heard(self, name: str) -> bool:
        """Say whether the token was spoken to a listener since it was asked last."""
        sock = self._sockets[name]
        try:
            if sock.type == socket.SOCK_DGRAM:
                return self._token in sock.recv(4096)
            connection, _ = sock.accept()
            with connection:
                connection.settimeout(1)
                return self._token in connection.recv(4096)
        except OSError:
            return False

    def forget(self) -> None:
        """Drop what was spoken until now."""
        for name in self._sockets:
            while self.heard(name):
                pass

    def answered(self) -> bool:
        """Say whether something listens at the free port."""
        with socket.socket() as asking:
            asking.settimeout(1)
            return asking.connect_ex(("127.0.0.1", self._free)) == 0

    def _listen(self, name: str, family: int, kind: int, address: Any) -> None:
        sock = self._stack.enter_context(socket.socket(family, kind))
        sock.bind(address)
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.listen(8)
        self._sockets[name] = sock
