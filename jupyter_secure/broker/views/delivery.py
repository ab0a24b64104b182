"""Seals an Arrow stream to one kernel while it is being made.

Promises: what leaves the worker is ciphertext for the kernel's key alone; the last frame says how many rows and bytes
the whole has, or that it broke off; the digest covers every frame and costs one hash of 16 bytes per frame.

Why a pipe and not a finished memory file: the kernel decrypts while the worker still masks, no second copy of the view
exists, and a slow reader holds the worker back instead of filling memory. A small table goes into a memory file.

Steps: wrap a fresh content key (HPKE) -> frames -> trailer.
"""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from collections.abc import Callable
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.sealing import CONTEXT, FRAME, HEADER, TAG, TRAILER, Frame, nonce
from jupyter_secure.protocol.wire import seal_memory

SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
LARGEST = HEADER.size + FRAME + TAG  # bytes of a frame as it travels
STAGED = 1 << 16  # smaller pieces are gathered into one frame, larger ones are encrypted where they lie


def wrap(content_key: bytes, recipient: bytes, info: bytes) -> bytes:
    """Return the HPKE message that opens a stream for one kernel.

    Raises:
        InvalidRequestError: the public key is no X25519 key.
    """
    try:
        return SUITE.encrypt(content_key, X25519PublicKey.from_public_bytes(recipient), info=CONTEXT + info)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidRequestError(detail="not an X25519 public key") from None


class Sealer(io.RawIOBase):
    """A writable file whose content arrives at `send` as frames.

    Args:
        recipient: the public key of the kernel, None where the maker keeps the content key.
        info: what the stream is bound to.
        send: called with each frame, which is no longer looked at when it returns.
        room: gives memory for a frame of so many bytes, into which nothing but ciphertext is written; by default it
            is the same for all.

    Attributes:
        content_key: a fresh one for each stream.
        seal: base64 of the wrapped content key, empty where nobody is to open it.
        size: plaintext bytes so far.

    Raises:
        InvalidRequestError: the recipient's public key is no X25519 key.
    """

    def __init__(
        self,
        recipient: bytes | None,
        info: bytes,
        send: Callable[[memoryview], None],
        room: Callable[[int], memoryview] | None = None,
    ) -> None:
        super().__init__()
        self.content_key = content_key = secrets.token_bytes(32)
        wrapped = b"" if recipient is None else wrap(content_key, recipient, info)
        self.seal = base64.b64encode(wrapped).decode()
        self.size = 0
        self._cipher = AESGCM(content_key)
        self._send = send
        self._number = 0
        self._chain = hashlib.sha256(wrapped)
        self._staged = bytearray()
        self._room = room or _one_room()

    @classmethod
    def keyed(cls, send: Callable[[memoryview], None]) -> Self:
        """Return one whose content key is wrapped for nobody: whoever made it keeps the key."""
        return cls(None, b"", send)

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, content: object) -> int:
        """Take a piece of the stream, of any size."""
        view = memoryview(content).cast("B")  # type: ignore[arg-type]  # anything with a buffer
        self.size += len(view)
        if len(view) < STAGED:
            self._staged += view
            if len(self._staged) >= STAGED:
                self._flush_staged()
            return len(view)
        self._flush_staged()
        for start in range(0, len(view), FRAME):
            self._frame(Frame.DATA, view[start : start + FRAME])
        return len(view)

    def finish(self, rows: int) -> str:
        """End the stream; return its digest."""
        self._flush_staged()
        self._frame(Frame.END, memoryview(TRAILER.pack(rows, self.size)))
        return self._chain.hexdigest()

    def fail(self, code: str) -> None:
        """End the stream as broken off, with the code of an error."""
        self._staged.clear()
        self._frame(Frame.FAILED, memoryview(code.encode("ascii")))

    def _flush_staged(self) -> None:
        if self._staged:
            staged, self._staged = self._staged, bytearray()
            self._frame(Frame.DATA, memoryview(staged))

    def _frame(self, frame: Frame, plain: memoryview) -> None:
        header = HEADER.pack(frame, len(plain))
        end = HEADER.size + len(plain) + TAG
        out = self._room(end)
        out[: HEADER.size] = header
        self._cipher.encrypt_into(nonce(self._number, frame), plain, header, out[HEADER.size :])
        self._chain.update(out[-TAG:])
        self._number += 1
        self._send(out)


def _one_room() -> Callable[[int], memoryview]:
    out = memoryview(bytearray(LARGEST))
    return lambda size: out[:size]


class TableSealer:
    """Seals one small Arrow stream at once; its key is wrapped before there is anything to seal.

    Attributes:
        opens: what opens it for the kernel (`Sealer.seal`).
    """

    def __init__(self, recipient: bytes, info: bytes) -> None:
        self._frames = bytearray()
        self._sealer = Sealer(recipient, info, self._frames.extend)
        self.opens = self._sealer.seal

    def seal(self, stream: bytes, rows: int) -> int:
        """Return a descriptor of the sealed stream, which the caller closes."""
        self._sealer.write(stream)
        self._sealer.finish(rows)
        return seal_memory("answer", bytes(self._frames))
