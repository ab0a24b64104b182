"""Opens a sealed part, once.

Promises: a plain file, an unencrypted footer and a footer other than the pinned one are refused before polars sees the
file; it is scanned through the descriptor that was checked, so that the file which was checked is the file which is
read.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct

import polars as pl

from jupyter_secure.protocol.errors import IntegrityError

from .plan import Part

TAIL = struct.Struct("<I4s")


def open_part(part: Part) -> int:
    """Return a descriptor, which the caller closes.

    Raises:
        IntegrityError: the file is not there, or not the one that the manifest pins.
    """
    try:
        fd = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise IntegrityError(detail="a part cannot be opened") from None
    try:
        _check_footer(fd, part.footer_digest)
    except IntegrityError:
        os.close(fd)
        raise
    return fd


def _check_footer(fd: int, pinned: str) -> None:
    size = os.fstat(fd).st_size
    length, magic = TAIL.unpack(os.pread(fd, TAIL.size, size - TAIL.size)) if size > 2 * TAIL.size else (0, b"")
    if magic != b"PARE" or length + TAIL.size > size:
        raise IntegrityError(detail="not a Parquet file with an encrypted footer")
    footer = os.pread(fd, length + TAIL.size, size - TAIL.size - length)
    if pinned and not hmac.compare_digest(hashlib.sha256(footer).hexdigest(), pinned):
        raise IntegrityError(detail="another footer than the manifest pins")


def lazy(fd: int, part: Part) -> pl.LazyFrame:
    """Return the scan of a part with its keys."""
    keys = pl.ParquetDecryptionProperties(footer_key=part.footer_key, column_keys=dict(part.column_keys))
    return pl.scan_parquet(f"/proc/self/fd/{fd}", decryption=keys, hive_partitioning=False, glob=False)
