"""Folders of the guard that last as long as one kernel: private, with paths that fit into socket addresses."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from jupyter_secure.protocol.errors import GuardError

# `sockaddr_un` has 108 bytes, one of them the closing zero; the longest name below a folder is `s/p-5`.
LONGEST = 107 - len("/s/p-99999")
_ADDED = 8  # characters that `mkdtemp` adds to a prefix
_NOTHING = (
    "The kernel was not started: no folder for temporary files can be written. "
    "Set TMPDIR to a folder that you own, with a path of less than 80 characters."
)


def folder() -> str:
    """Return the folder for temporary files.

    Raises:
        GuardError: there is none that can be written.
    """
    try:
        return tempfile.gettempdir()
    except FileNotFoundError as error:
        raise GuardError(_NOTHING, detail=str(error)) from None


def make(prefix: str) -> Path:
    """Return a new private folder, in `/tmp` where the path of the usual one is too long or it is full.

    Raises:
        GuardError: neither can be written.
    """
    for parent in (folder(), "/tmp"):  # noqa: S108  # `mkdtemp` makes the folder private
        real = os.path.realpath(parent)
        if len(os.fsencode(real)) + len("/" + prefix) + _ADDED <= LONGEST:
            with contextlib.suppress(OSError):
                return Path(tempfile.mkdtemp(prefix=prefix, dir=real))
    raise GuardError(_NOTHING)
