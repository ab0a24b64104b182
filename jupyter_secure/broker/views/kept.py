"""A view that is kept: one file, encrypted, and what says that it is whole.

    frames            the stream of a view (docs/spec/view-v1.md) under a content key of its own
    description       nonce, then AES-256-GCM under the entry's key: content key, rows, digests (`Description`)
    length, magic     of the description: 4 bytes, little-endian, and `MAGIC`

Promises: the entry's key opens this entry alone, because the entry's name is the associated data; whether the frames
are whole is found out without opening them (GMAC under a second key), so the broker's own process never holds a cell.

Source of GMAC: NIST SP 800-38D section 6.4 (GCM with associated data only).
"""

from __future__ import annotations

import mmap
import os
import secrets
import struct

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.protocol.noun import Count, Noun
from jupyter_secure.protocol.sealing import TAG
from jupyter_secure.protocol.view import Checked

from .plan import Key, ViewPlan

MAGIC = b"JSVIEW1\0"
TAIL = struct.Struct("<I8s")
NONCE = 12
PIECE = 1 << 24  # bytes of frames that are looked at in one go
LONGEST = 1 << 24  # bytes of a description: a tag for each mebibyte of a view
ONCE = bytes(NONCE)  # the GMAC key is used for one message


class Description(Noun):
    """What there is to know of a kept view.

    Attributes:
        content_key: opens the frames.
        mac_key, mac: GMAC over the frames as they lie in the file.
        size: bytes of the Arrow stream.
        tags: of all frames in order, from which a delivery's digest is made.
        checked: how the view came through its check.
    """

    content_key: Key
    mac_key: Key
    mac: bytes
    rows: Count
    size: Count
    tags: bytes
    checked: Checked | None = None

    def __repr__(self) -> str:
        return f"Description(rows={self.rows})"  # no key in a traceback or a log


class KeepJob(Noun, tag_field="job", tag="keep"):
    """A view to keep, under the entry's key and name."""

    plan: ViewPlan
    key: Key
    name: str

    def __repr__(self) -> str:
        return f"KeepJob(plan={self.plan!r})"


class Frames:
    """Takes the frames of a view that is being kept: writes them, and works out their GMAC and their tags."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._mac_key = secrets.token_bytes(32)
        self._mac = _gmac(self._mac_key)
        self._tags = bytearray()

    def send(self, frame: memoryview) -> None:
        """Take one frame, header to tag."""
        self._mac.authenticate_additional_data(bytes(frame))
        self._tags += frame[-TAG:]
        _write(self._fd, frame)

    def finish(self, key: bytes, name: str, content_key: bytes, rows: int, size: int, checked: Checked | None) -> None:
        """Write what describes them."""
        self._mac.finalize()
        described = Description(
            content_key=content_key,
            mac_key=self._mac_key,
            mac=self._mac.tag,
            rows=rows,
            size=size,
            tags=bytes(self._tags),
            checked=checked,
        )
        nonce = secrets.token_bytes(NONCE)
        sealed = nonce + AESGCM(key).encrypt(nonce, msgspec.msgpack.encode(described), name.encode())
        _write(self._fd, memoryview(sealed + TAIL.pack(len(sealed), MAGIC)))


def describe(fd: int, key: bytes, name: str, *, whole: bool = False) -> tuple[Description, int]:
    """Return the description of a kept view and the length of its frames, after looking whether all is whole.

    Args:
        fd: the file.
        key: the entry's.
        name: the entry's.
        whole: the frames have been looked through before; the description is checked in any case.

    Raises:
        IntegrityError: it is damaged, cut, or another entry's.
    """
    size = os.fstat(fd).st_size
    length, magic = TAIL.unpack(os.pread(fd, TAIL.size, size - TAIL.size)) if size > TAIL.size else (0, b"")
    frames = size - TAIL.size - length
    if magic != MAGIC or not NONCE + TAG < length <= LONGEST or frames <= 0:
        raise IntegrityError(detail="not a kept view")
    sealed = os.pread(fd, length, frames)
    try:
        plain = AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], name.encode())
        described = msgspec.msgpack.decode(plain, type=Description)
        if not whole:
            _check_frames(fd, frames, described)
    except (InvalidTag, msgspec.DecodeError):
        raise IntegrityError(detail="a kept view is not what was kept") from None
    return described, frames


def _check_frames(fd: int, length: int, described: Description) -> None:
    mac = _gmac(described.mac_key)
    with mmap.mmap(fd, length, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as view:
        for start in range(0, length, PIECE):
            with view[start : start + PIECE] as piece:
                mac.authenticate_additional_data(piece)
    mac.finalize()
    if not secrets.compare_digest(mac.tag, described.mac):
        raise InvalidTag


def _gmac(key: bytes):  # type: ignore[no-untyped-def]  # noqa: ANN202 - the library gives the type no name
    return Cipher(algorithms.AES256(key), modes.GCM(ONCE)).encryptor()


def _write(fd: int, view: memoryview) -> None:
    while view:
        view = view[os.write(fd, view) :]
