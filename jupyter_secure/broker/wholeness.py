"""Which kept views this process has looked through lately, so that the next load need not read the file twice.

A file counts as the one that was looked through while its inode, size and time of change are the same; whoever writes
to it changes the last, and cannot set it. Promises: what is remembered ends after `TRUSTED` seconds, and with
`forget`; it only spares work, since a kernel opens no frame that is not what was sealed.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

TRUSTED = 600.0  # seconds; a disk can lose bits without anybody writing
MOST = 4096  # files


class _Stamp(NamedTuple):
    device: int
    inode: int
    size: int
    changed: int  # nanoseconds


class Wholeness:
    """Files by the name of their entry."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._known: OrderedDict[str, tuple[_Stamp, float]] = OrderedDict()

    def holds(self, name: str, fd: int) -> bool:
        """Say whether the open file was found whole a while ago, and nobody has touched it since."""
        stamp, until = self._known.get(name, (None, 0.0))
        return stamp == _stamp(fd) and self._now() < until

    def touch(self, name: str, fd: int, *, whole: bool) -> None:
        """Mark the file as used just now; `whole` says that it was looked through for that."""
        until = self._now() + TRUSTED if whole else 0.0
        if self.holds(name, fd):  # still: who wrote to it since it was asked does not get its new time trusted
            until = max(until, self._known.get(name, (None, 0.0))[1])
        os.utime(fd)
        self._known.pop(name, None)  # the newest stands last; one step, as other threads forget meanwhile
        self._known[name] = (_stamp(fd), until)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def forget(self, name: str) -> None:
        """Look through it the next time."""
        self._known.pop(name, None)


def _stamp(fd: int) -> _Stamp:
    found = os.fstat(fd)
    return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)
