"""What the canaries try to reach, laid out for one start, and the verdict from outside on whether anything did.

A listening socket of each kind, a folder with a secret. Nothing in it is worth anything; it stands where real things
stand: loopback ports, paths and abstract names outside the plan.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from . import temporary
from .laid import Laid
from .outside import born

SECRET = b"nobody inside may read, write or remove this\n"


class Bait(Laid):
    """A context manager; `described` goes into the policy, `touched` names what was reached."""

    def __init__(self, hidden: Sequence[str], code: str, given: Sequence[str] = ()) -> None:
        super().__init__()
        self._hidden, self._code, self._given = list(hidden), code, list(given)

    def _lay(self) -> None:
        self.folder = temporary.make("jsec-bait-")
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "secret").write_bytes(SECRET)
        (self.folder / "secret").chmod(0o600)
        self.abstract = "\0jsec-" + secrets.token_hex(8)
        self._listeners = {
            "tcp": self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "udp": self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "unix_path": self._listen(socket.AF_UNIX, socket.SOCK_STREAM, str(self.folder / "socket")),
            "unix_abstract": self._listen(socket.AF_UNIX, socket.SOCK_STREAM, self.abstract),
        }

    def _listen(self, family: int, kind: int, address: object) -> socket.socket:
        sock = self._stack.enter_context(socket.socket(family, kind))
        sock.bind(address)
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.listen(1)
        return sock

    @property
    def described(self) -> dict[str, object]:
        """Return where the bait lies, in the form that `wall/canaries.py` reads."""
        return {
            "tcp": self._listeners["tcp"].getsockname()[1],
            "udp": self._listeners["udp"].getsockname()[1],
            "unix": str(self.folder / "socket"),
            "abstract": self.abstract,
            "folder": str(self.folder),
            "hidden": self._hidden,
            "given": self._given,
            "code": self._code,
            "pid": os.getpid(),
            "born": born(os.getpid()),
        }

    def touched(self) -> set[str]:
        """Return the names of the canaries that reached something, whatever they say themselves."""
        reached = {name for name, sock in self._listeners.items() if _heard(sock)}
        secret = self.folder / "secret"
        if not secret.is_file() or secret.read_bytes() != SECRET:
            reached.add("secret_truncate")
        elif secret.stat().st_mode & 0o777 != 0o600:
            reached.add("secret_chmod")
        if {path.name for path in self.folder.iterdir()} - {"secret", "socket"}:
            reached.add("folder_write")
        planted = Path(self._code) / f"planted-{born(os.getpid())}"
        if planted.exists():
            planted.unlink()
            reached.add("code_write")
        return reached


def _heard(sock: socket.socket) -> bool:
    try:
        if sock.type == socket.SOCK_DGRAM:
            sock.recv(16)
        else:
            sock.accept()[0].close()
    except OSError:
        return False
    return True
