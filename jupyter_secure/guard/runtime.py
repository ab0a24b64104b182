"""The folder of one kernel: private to the person, short enough for socket addresses, gone when the kernel is gone.

Layout: `c` connection file, `s` sockets, `home`, `tmp`, `log` (what the kernel prints outside a notebook), `lock`. The
server holds a lock on it while it lives, so folders that a killed server left behind are recognised and removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import weakref
from pathlib import Path

from . import temporary
from .plan import Runtime

PREFIX = "jsec-"


class RuntimeFolder:
    """One kernel's folder; `remove` is idempotent and also runs when the object or the process ends."""

    def __init__(self) -> None:
        self.path = temporary.make(PREFIX)
        for name in ("c", "s", "home", "tmp"):
            (self.path / name).mkdir(mode=0o700)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.remove = weakref.finalize(self, _remove, self.path, self._lock)

    @property
    def runtime(self) -> Runtime:
        """Return the folder as a plan knows it."""
        return Runtime(folder=str(self.path))

    def offer_package(self, package: str) -> str:
        """Return a folder that holds nothing but a link to a package; for one that is installed by reference.

        The folder above such a package is a whole checkout, which no kernel needs to see.
        """
        link = self.path / "c" / "packages" / Path(package).name
        link.parent.mkdir(mode=0o700, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(package)
        return str(link.parent)

    def open_log(self) -> int:
        """Return a descriptor that can only be written; a kernel must not read what is typed into a terminal."""
        return os.open(self.path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def last_words(self) -> str:
        """Return the end of the log, at most 2000 characters."""
        try:
            with (self.path / "log").open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 2000))
                return log.read(2000).decode("utf-8", "replace").strip()
        except OSError:
            return ""


def sweep() -> int:
    """Remove what servers that were killed left behind; return how many folders."""
    swept = 0
    for parent in {Path(temporary.folder()), Path("/tmp")}:  # noqa: S108  # names are unpredictable and owned
        for folder in parent.glob(PREFIX + "*"):
            if _abandoned(folder):
                _remove(folder, -1)
                swept += 1
    return swept


def _abandoned(folder: Path) -> bool:
    try:
        status = folder.lstat()
        if status.st_uid != os.getuid() or folder.is_symlink():
            return False
        fd = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _remove(path: Path, lock: int) -> None:
    if lock >= 0:
        with contextlib.suppress(OSError):
            os.close(lock)
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        # What ran in there may have taken away its own rights to a folder.
        for folder, _, _ in os.walk(path):
            with contextlib.suppress(OSError):
                Path(folder).chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)
