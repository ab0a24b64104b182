"""Lends frames to a pipe: the reader copies them out of this process's own pages, without a copy in between.

`write` copies a frame into pages that the system finds for it and takes back from it, which is a tenth of the work on a
view. Promises: the pages hold nothing but ciphertext of this one stream, ever, because whoever reads the pipe can keep
hold of them (`tee(2)`) for as long as it likes, also when they are no longer ours; a page is written again only when as
many as the pipe takes were sent after it, so that a reader in order has read it.

Steps: room for a frame, on pages of its own -> the frame is encrypted into it -> `vmsplice(2)` -> at the end the pages
are given up, never used for anything else.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os

PAGE = mmap.PAGESIZE
UNABLE = {errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.EBADF}  # no such call here, or the descriptor is no pipe


class _Piece(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Lending:
    """The way of one stream into a pipe. Where pages cannot be lent, frames are written as into any file.

    Args:
        fd: to send to; stays the caller's to close.
        largest: most bytes of a frame.
    """

    def __init__(self, fd: int, largest: int) -> None:
        self._fd = fd
        # Of a frame that does not fit behind the others, and of the one written over them, part of the room is unused.
        self._pages = mmap.mmap(-1, _held(fd) + 2 * _whole(largest), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._view = memoryview(self._pages)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._pages))
        self._next = 0
        self._lends = hasattr(_libc, "vmsplice")

    def room(self, size: int) -> memoryview:
        """Return room for a frame; what was sent from there before has been read."""
        if self._next + size > len(self._view):
            self._next = 0
        return self._view[self._next : self._next + size]

    def send(self, frame: memoryview) -> None:
        """Send the frame that lies in the room given last.

        Raises:
            OSError: nobody reads any more.
        """
        done = self._lent(len(frame)) if self._lends else 0
        while done < len(frame):
            done += os.write(self._fd, frame[done:])
        self._next += _whole(len(frame))

    def _lent(self, size: int) -> int:
        done = 0
        while done < size:
            piece = _Piece(self._start + self._next + done, size - done)
            sent = _libc.vmsplice(self._fd, ctypes.byref(piece), 1, 0)
            if sent < 0:
                code = ctypes.get_errno()
                if not done and code in UNABLE:
                    self._lends = False
                    return 0
                if code != errno.EINTR:
                    raise OSError(code, os.strerror(code))
                sent = 0
            done += sent
        return done


_libc = ctypes.CDLL(None, use_errno=True)


def _whole(size: int) -> int:
    # A page of the pipe holds bytes of one frame alone, so frames begin on pages of their own.
    return -(-size // PAGE) * PAGE


def _held(fd: int) -> int:
    """Return how many bytes of pages wait in the pipe at most."""
    try:
        return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    except OSError:
        return 0
