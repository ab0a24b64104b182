"""What the attempts aim at: a throw-away vault, home and work folder, neighbours, listeners; and a look at each.

Every secret is random and new, so that one which came out is proof. What is laid outside the folder (a listener, a
piece of shared memory, a key) is taken away at the end.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_secure.guard.laid import Laid
from jupyter_secure.guard.syscalls import NUMBERS

from .listeners import Listeners
from .neighbours import Neighbour, apart

SECRETS = (
    "key", "ledger", "name", "ssh", "other", "connection", "server", "shm", "temporary", "segment", "ring", "environ",
    "cmdline", "memory", "comm", "inherited",
)  # fmt: skip
IPC_PRIVATE, IPC_CREAT, IPC_RMID = 0, 0o1000, 0
USER_KEYRING = -4
ADD_KEY, KEYCTL_REVOKE = "add_key", 3
MB = 1 << 20


class Ground(Laid):
    """A context manager; `aims` is what an attempt is told, the other methods are what the judges ask."""

    more_memory, more_bytes, more_processes = 640 * MB, 80 * MB, 400

    def __init__(self) -> None:
        self.secrets = {name: secrets.token_hex(7).encode() for name in SECRETS}
        self.token = secrets.token_hex(12)
        super().__init__()
        self._libc = ctypes.CDLL(None, use_errno=True)

    def _lay(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="jsec-attack-"))
        self._stack.callback(shutil.rmtree, self.place, ignore_errors=True)
        self.home, self.work, self.vault, self.code = (self.place / name for name in ("home", "work", "vault", "code"))
        self.key, self.log = self.vault / "master.key", self.vault / "audit.log"
        self.files = {
            "key": self.key,
            "ledger": self.vault / "ledger.sqlite",
            "ssh": self.home / ".ssh" / "id_ed25519",
            "other": self.place / "other" / "notes",
            "connection": self.place / "kernel" / "kernel.json",
            "server": self.place / "runtime" / "jpserver-1.json",
            "temporary": Path(tempfile.gettempdir()) / f"jsec-{secrets.token_hex(6)}.tmp",
            "shm": Path("/dev/shm") / f"jsec-{secrets.token_hex(6)}",  # noqa: S108  # what is tried
        }
        for name, path in self.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.secrets[name])
            self._stack.callback(path.unlink, missing_ok=True)
        (self.vault / self.secrets["name"].decode()).touch()
        (self.code / "site-packages" / "__pycache__").mkdir(parents=True)
        (self.work / ".git" / "hooks").mkdir(parents=True)
        self.vault.chmod(0o700)
        self.log.touch()
        self._kept = self.place / "kept"
        self._kept.hardlink_to(self.log)
        self.listeners = self._stack.enter_context(Listeners(self.place, self.token))
        self._share()
        self.broker = self._stack.enter_context(Neighbour(self.log, self.secrets))
        self.apart = self._stack.enter_context(apart())
        self.restore()

    def _share(self) -> None:
        self._libc.shmat.restype = ctypes.c_void_p
        self.segment = self._libc.shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0o600)
        if self.segment >= 0:
            self._stack.callback(self._libc.shmctl, self.segment, IPC_RMID, None)
            ctypes.memmove(self._libc.shmat(self.segment, None, 0), self.secrets["segment"], 14)
        numbers = NUMBERS[os.uname().machine]
        name, value = self.token.encode(), self.secrets["ring"]
        self.ring_key = self._libc.syscall(numbers[ADD_KEY], b"user", name, value, len(value), USER_KEYRING)
        if self.ring_key > 0:
            self._stack.callback(self._libc.syscall, numbers["keyctl"], KEYCTL_REVOKE, self.ring_key)

    @property
    def aims(self) -> dict[str, Any]:
        """Return where everything is, as JSON values."""
        return {
            **{name: str(path) for name, path in self.files.items()},
            **{name: str(getattr(self, name)) for name in ("vault", "work", "home", "code", "log")},
            **self.listeners.addresses,
            "token": self.token,
            "numbers": NUMBERS[os.uname().machine],
            "pid": self.broker.pid,
            "apart": self.apart,
            "address": self.broker.address,
            "segment": self.segment,
            "ring_key": self.ring_key,
            "handle": self._handle().hex(),
            "disks": [str(path) for path in Path("/dev").glob("*") if path.is_block_device()],
            "memory": self.more_memory,
            "processes": self.more_processes,
            "file": self.more_bytes,
        }

    def restore(self) -> None:
        """Put everything back that an attempt may have changed, and forget what was heard."""
        self.vault.chmod(0o700)
        if not (self.log.exists() and self.log.samefile(self._kept)):
            self.log.unlink(missing_ok=True)
            self.log.hardlink_to(self._kept)
        self.log.write_bytes(b"entry\n")
        os.utime(self.log, (2, 2))
        self._log = self.log.stat()
        os.sched_setaffinity(self.broker.pid, os.sched_getaffinity(0))
        for path in self.work.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.broker.forget()
        self.listeners.forget()

    def heard(self, name: str) -> bool:
        """Say whether a listener heard the token, or the broker a signal, since it was asked last."""
        return self.broker.signalled() if name == "signal" else self.listeners.heard(name)

    def port_answers(self) -> bool:
        """Say whether something offers the free port."""
        return self.listeners.answered()

    def stated(self) -> bytes:
        """Return what a look at the key file shows."""
        status = self.key.stat()
        return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}".encode()

    def linked(self, name: str) -> bool:
        """Say whether a name in the work folder is the key file."""
        path = self.work / name
        return path.exists() and path.samefile(self.key)

    def log_stat(self) -> os.stat_result:
        """Return the log's status."""
        return self._log

    def log_changed(self) -> bool:
        """Say whether the log is another one than it was."""
        try:
            now = self.log.stat()
        except FileNotFoundError:
            return True
        was = self._log
        return (now.st_ino, now.st_size, now.st_mtime_ns) != (was.st_ino, was.st_size, was.st_mtime_ns)

    def vault_opened(self) -> bool:
        """Say whether others may enter the vault."""
        return self.vault.stat().st_mode & 0o077 != 0

    def planted(self, root: str, path: str) -> bool:
        """Say whether the token lies in a file."""
        file = getattr(self, root) / path
        return file.is_file() and file.read_text() == self.token

    def core_left(self) -> bool:
        """Say whether a core file lies in the work folder."""
        return any("core" in path.name for path in self.work.iterdir())

    def size_of(self, name: str) -> int:
        """Return how large a file of the work folder is."""
        path = self.work / name
        return path.stat().st_size if path.is_file() else 0

    def in_crontab(self) -> bool:
        """Say whether cron would run something with the token."""
        if not shutil.which("crontab"):
            return False
        done = subprocess.run(["crontab", "-l"], capture_output=True, check=False, timeout=10)  # noqa: S607
        return self.token.encode() in done.stdout

    def _handle(self) -> bytes:
        """Return the key file's handle (name_to_handle_at), which finds it past every path; empty if there is none."""
        room = ctypes.create_string_buffer(8 + 128)
        ctypes.memmove(room, (128).to_bytes(4, sys.byteorder), 4)
        if self._libc.name_to_handle_at(-100, str(self.key).encode(), room, ctypes.byref(ctypes.c_int()), 0) < 0:
            return b""
        return room.raw[: 8 + int.from_bytes(room.raw[:4], sys.byteorder)]
