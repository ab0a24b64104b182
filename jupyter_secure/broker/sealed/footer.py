"""The pin of a part: its size, its last magic, and the digest of its footer.

Checked before any Parquet library sees the file: a plain file (`PAR1`, which is also the magic of a plaintext footer)
is refused here, because some readers accept it silently and Arrow may abort the process on it. In an encrypted-footer
file the footer holds, under its own authentication, the metadata of every column chunk.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from pathlib import Path

from jupyter_secure.protocol.errors import IntegrityError

MAGIC = b"PARE"
CHUNK = 1 << 20


def open_part(path: Path) -> int:
    """Return a descriptor of a regular file; the caller closes it. Neither a link nor a device is followed.

    Raises:
        IntegrityError: the part is missing or is not a regular file with one name.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise IntegrityError(detail=f"part {path.name}: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise IntegrityError(detail=f"part {path.name} is not a regular file")
    return fd


def footer_digest(fd: int, size: int) -> str:
    """Return the hex SHA-256 of the footer, its length and the magic.

    Raises:
        IntegrityError: another size, or not an encrypted-footer Parquet file.
    """
    if os.fstat(fd).st_size != size or size < 16:
        raise IntegrityError(detail="a part has another size")
    length, magic = struct.unpack("<I4s", os.pread(fd, 8, size - 8))
    if magic != MAGIC or os.pread(fd, 4, 0) != MAGIC:
        raise IntegrityError(detail="a part is not a Parquet file with an encrypted footer")
    if length > size - 12:
        raise IntegrityError(detail="a part's footer length is wrong")
    return hashlib.sha256(os.pread(fd, length + 8, size - 8 - length)).hexdigest()


def file_digest(fd: int) -> str:
    """Return the hex SHA-256 of a whole file."""
    digest = hashlib.sha256()
    position = 0
    while chunk := os.pread(fd, CHUNK, position):
        digest.update(chunk)
        position += len(chunk)
    return digest.hexdigest()


def check_pin(path: Path, size: int, expected: str) -> None:
    """Return if a part is the one that was sealed, as far as its footer tells.

    Raises:
        IntegrityError: it is not.
    """
    fd = open_part(path)
    try:
        if footer_digest(fd, size) != expected:
            raise IntegrityError(detail=f"part {path.name} has another footer")
    finally:
        os.close(fd)
