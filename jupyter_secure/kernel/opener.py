"""Opens a view that was sealed to this kernel.

Promises: a table is returned whole or not at all: a bit that differs, a frame that is missing, moved or added, a stream
cut short, a wrong key or a wrong `info` is an `IntegrityError`, and nothing of the stream reaches the caller. Memory
files are read only when they are sealed, so that their content cannot change while it is read.

Steps of `open_view`: check the descriptor -> unwrap the content key -> decrypt frames straight into Arrow's buffers ->
bring short columns to the form in which they are shown -> gather them -> last frame -> compare rows and size -> nothing
may follow.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import io
import os
import select
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jupyter_secure.protocol.errors import IntegrityError, WireError, from_wire
from jupyter_secure.protocol.sealing import CONTEXT, FRAME, HEADER, TAG, TRAILER, Frame, nonce
from jupyter_secure.protocol.wire import SEALS

from .expand import expand, shown_schema
from .gather import Gatherer, TableGatherer

LIMIT = 1 << 40
PAUSE = 200  # milliseconds
SMALL = 1 << 16  # bytes that are decrypted sooner than a thread for them is started
SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
BROKEN = "The view did not arrive whole, so nothing of it is shown. Run the cell again."


class KernelKey:
    """The kernel's own key pair; lives and dies with the kernel process and is never written anywhere."""

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()
        self.public_bytes = self._private.public_key().public_bytes_raw()

    def unwrap(self, seal: str, info: bytes) -> AESGCM:
        """Return the cipher of a stream.

        Raises:
            IntegrityError: the seal is not for this key and this `info`.
        """
        try:
            return AESGCM(SUITE.decrypt(base64.b64decode(seal, validate=True), self._private, info=CONTEXT + info))
        except (InvalidTag, ValueError, binascii.Error):
            raise IntegrityError(BROKEN, detail="the seal does not open") from None


class Frames(io.RawIOBase):
    """A readable file over the frames of one stream; decrypts large pieces where Arrow wants them."""

    def __init__(self, fd: int, cipher: AESGCM, limit: int) -> None:
        super().__init__()
        self._fd = fd
        self._waiting = select.poll()
        self._waiting.register(fd, select.POLLIN)
        self._cipher = cipher
        self._number = 0
        self._left = memoryview(b"")
        self._sealed = memoryview(bytearray(FRAME + TAG))
        self._limit = limit
        self._stopped = False
        self.size = 0
        self.trailer: tuple[int, int] | None = None

    def stop(self) -> None:
        """Let a read that waits end in an error, if there is one."""
        self._stopped = True

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, less only at the end."""
        return self.read_buffer(size).to_pybytes()

    def read_buffer(self, size: int) -> pa.Buffer:
        """Return up to `size` bytes in memory that Arrow keeps; pyarrow calls this instead of `read`."""
        if size < 0 or self.size + size > self._limit:
            raise IntegrityError(BROKEN, detail="the stream is longer than permitted")
        whole = pa.allocate_buffer(size)
        target = memoryview(whole).cast("B")
        done = 0
        while done < size:
            part = self._next_into(target[done:])
            if not part:
                break
            done += part
        self.size += done
        return whole.slice(0, done)

    def finish(self) -> None:
        """Read the rest; afterwards `trailer` is set.

        Raises:
            IntegrityError: something other than the last frame follows.
        """
        if self._left or self._next_into(memoryview(b"")) or self.trailer is None or os.read(self._fd, 1):
            raise IntegrityError(BROKEN, detail="something follows the end of the stream")

    def _next_into(self, target: memoryview) -> int:
        if not self._left:
            if self.trailer is not None:
                return 0
            frame, header, length = self._receive()
            if frame is Frame.DATA and length <= len(target):
                self._decrypt(frame, header, length, target[:length])
                return length
            plain = memoryview(bytearray(length))
            self._decrypt(frame, header, length, plain)
            if frame is not Frame.DATA:
                self._end(frame, bytes(plain))
                return 0
            self._left = plain
        part = min(len(self._left), len(target)) or len(self._left)
        if len(target) == 0:
            return part
        target[:part] = self._left[:part]
        self._left = self._left[part:]
        return part

    def _receive(self) -> tuple[Frame, bytes, int]:
        header = bytes(self._exactly(self._sealed[: HEADER.size]))
        kind, length = HEADER.unpack(header)
        if length > FRAME or kind not in iter(Frame) or (kind == Frame.DATA and not length):
            raise IntegrityError(BROKEN, detail="a frame's header is not one of ours")
        self._exactly(self._sealed[: length + TAG])
        return Frame(kind), header, length

    def _exactly(self, target: memoryview) -> memoryview:
        done = 0
        while done < len(target):
            while not self._waiting.poll(PAUSE):
                if self._stopped:  # Ctrl-C, which only the main thread hears
                    raise IntegrityError(BROKEN, detail="nobody wants the stream any more")
            part = os.readv(self._fd, [target[done:]])
            if not part:
                raise IntegrityError(BROKEN, detail="the stream was cut")
            done += part
        return target

    def _decrypt(self, frame: Frame, header: bytes, length: int, target: memoryview) -> None:
        try:
            self._cipher.decrypt_into(nonce(self._number, frame), self._sealed[: length + TAG], header, target)
        except InvalidTag:
            raise IntegrityError(BROKEN, detail="a frame does not verify") from None
        self._number += 1

    def _end(self, frame: Frame, plain: bytes) -> None:
        if frame is Frame.FAILED:
            raise from_wire(WireError(code=plain.decode("ascii", "replace"), public=""))
        if len(plain) != TRAILER.size:
            raise IntegrityError(BROKEN, detail="the last frame has another length")
        self.trailer = TRAILER.unpack(plain)


def open_view(
    fd: int,
    seal: str,
    info: bytes | str,
    key: KernelKey,
    *,
    limit: int = LIMIT,
    progress: Callable[[int], None] | None = None,
    gathers: Callable[[pa.Schema], Gatherer] = TableGatherer,
) -> Any:
    """Return the view behind a descriptor; the descriptor stays the caller's to close.

    Args:
        fd: read end of a pipe, or a sealed memory file.
        seal: base64, as the broker sent it.
        info: what the stream is bound to.
        key: this kernel's key.
        limit: most plaintext bytes to accept.
        progress: called with the rows so far after each batch.
        gathers: what makes of its batches what is returned, by default a `pyarrow.Table`.

    Raises:
        IntegrityError: the stream is not exactly what was sealed to this key under this `info`.
        SecureError: the broker could not complete the view; the class says why.
    """
    small = _check(fd)
    frames = Frames(fd, key.unwrap(seal, info.encode() if isinstance(info, str) else info), limit)
    try:
        gathered, rows = _gathered(frames, small, gathers, progress)
    except pa.ArrowInvalid as error:
        raise IntegrityError(BROKEN, detail=type(error).__name__) from None
    frames.finish()
    if frames.trailer != (rows, frames.size):
        raise IntegrityError(BROKEN, detail="rows or bytes differ from the trailer")
    return gathered.done()


def _gathered(
    frames: Frames, small: bool, gathers: Callable[[pa.Schema], Gatherer], progress: Callable[[int], None] | None
) -> tuple[Gatherer, int]:
    rows = 0
    with pa.ipc.open_stream(pa.PythonFile(frames, "r")) as reader:
        shown = shown_schema(reader.schema)
        gathered = gathers(shown)
        for batch in reader if small else _ahead(reader, frames):
            gathered.add(expand(batch, shown))
            rows += batch.num_rows
            if progress:
                progress(rows)
    return gathered, rows


def _ahead(reader: Any, frames: Frames) -> Iterator[Any]:
    # The next batch is decrypted while the one before it is brought to its form; a stream that ends raises in there.
    def following() -> Any:
        return next(reader, None)

    with ThreadPoolExecutor(1) as reading:
        try:
            coming = reading.submit(following)
            while (batch := coming.result()) is not None:
                coming = reading.submit(following)
                yield batch
        except BaseException:
            frames.stop()
            raise


def _check(fd: int) -> bool:
    """Return whether it is a small memory file; refuse what is neither such a file nor a pipe."""
    state = os.fstat(fd)
    if stat.S_ISFIFO(state.st_mode):
        return False
    try:
        sealed = fcntl.fcntl(fd, fcntl.F_GET_SEALS) & SEALS == SEALS
    except OSError:
        sealed = False
    if not sealed:
        raise IntegrityError(BROKEN, detail="neither a pipe nor a sealed memory file")
    os.lseek(fd, 0, os.SEEK_SET)
    return state.st_size <= SMALL
