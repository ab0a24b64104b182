"""AES-256-CMAC (NIST SP 800-38B) of many messages at once.

Promises: bit-identical with SP 800-38B for messages of any length; memory is bounded by a chunk of rows, whatever the
length of the array. Timing depends on the lengths of the messages, as with any MAC.

Steps for a chunk: copy its bytes into a scratch area that stays in the processor's cache -> sort rows by number of blocks,
so that the rows still running are always the first ones -> for each block position gather 16 bytes of every running row,
complete the last block of those that end here (zero the tail, set the 0x80 pad, xor subkey K1 or K2), xor the running
state, encrypt all rows in one call (ECB of independent blocks is the block cipher itself; the chaining is ours).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from .buffers import Array, Text

CHUNK = 8192  # rows: 128 KiB of blocks, which stays in the second-level cache
LONG = 64  # messages of more blocks are left to OpenSSL one by one, whose chaining is faster than ours there
BLOCK = 16


class Cmac:
    """A keyed CMAC; tags come out as uint64 of shape (rows, 2), the 16 bytes in order."""

    def __init__(self, key: bytes) -> None:
        self._algorithm = algorithms.AES256(key)
        self._encrypt = Cipher(self._algorithm, modes.ECB()).encryptor()  # noqa: S305 - the bare block cipher is what CMAC is built of
        first = _double(self._encrypt.update(bytes(BLOCK)))
        self._keep, self._finish = _endings(first, _double(first))
        self._room = bytearray(CHUNK * BLOCK + BLOCK)
        self._state = np.frombuffer(self._room, np.uint64)[: CHUNK * 2].reshape(CHUNK, 2)
        self._scratch = np.zeros(CHUNK * 4 * BLOCK, np.uint8)

    def text(self, messages: Text) -> Array:
        """Return the tags of byte strings."""
        rows = len(messages.starts)
        tags = np.empty((rows, 2), np.uint64)
        for start in range(0, rows, CHUNK):
            part = slice(start, min(start + CHUNK, rows))
            self._chunk(messages.starts[part], messages.lengths[part], messages.data, tags[part])
        return tags

    def blocks(self, messages: Array) -> Array:
        """Return the tags of messages of exactly one block each, given as uint64 of shape (rows, 2)."""
        tags = np.empty_like(messages)
        for start in range(0, len(messages), CHUNK):
            chunk = messages[start : start + CHUNK] ^ self._finish[BLOCK]
            tags[start : start + CHUNK] = self._blocks(chunk)
        return tags

    def _chunk(self, starts: Array, lengths: Array, data: Array, tags: Array) -> None:
        blocks = np.maximum((lengths + (BLOCK - 1)) >> 4, 1)
        most = int(blocks.max())
        if most > LONG:
            self._long(starts, lengths, data, tags, blocks)
            return
        order: Any = slice(None)
        running = [len(starts)] * most
        if int(blocks.min()) != most:
            order = np.argsort(
                (most - blocks).astype(np.uint8), kind="stable"
            )  # stable on small integers: a radix sort
            starts, lengths, blocks = starts[order], lengths[order], blocks[order]
            running = (len(starts) - np.cumsum(np.bincount(blocks, minlength=most + 1))[:most]).tolist()
        items, starts = self._items(starts, lengths, data)
        tags[order] = self._chain(items, starts, lengths - ((blocks - 1) << 4), running)

    def _chain(self, items: Array, starts: Array, last: Array, running: list[int]) -> Array:
        # `running[r]` rows have more than r blocks; as rows are sorted, these are the first ones.
        for position, rows in enumerate(running):
            block = items[starts[:rows] + BLOCK * position].view(np.uint64).reshape(rows, 2)
            further = running[position + 1] if position + 1 < len(running) else 0
            if further < rows:
                ending = last[further:rows]
                block[further:] &= self._keep[ending]
                block[further:] ^= self._finish[ending]
            if position:
                block ^= self._state[:rows]
            self._blocks(block)
        return self._state[: len(starts)]

    def _blocks(self, block: Array) -> Array:
        rows = len(block)
        self._encrypt.update_into(memoryview(block).cast("B"), memoryview(self._room)[: rows * BLOCK + BLOCK - 1])
        return self._state[:rows]

    def _items(self, starts: Array, lengths: Array, data: Array) -> tuple[Array, Array]:
        # Overlapping 16-byte items over a copy of the chunk's bytes, with room so that the last read stays inside.
        filled = lengths > 0
        if not filled.any():
            low, high = 0, 0
        else:
            low, high = int(starts[filled].min()), int((starts + lengths)[filled].max())
        size = high - low
        if size + BLOCK > len(self._scratch):
            self._scratch = np.zeros(2 * size + BLOCK, np.uint8)
        self._scratch[:size] = data[low:high]
        items = np.ndarray((size + 1,), "V16", self._scratch.data, strides=(1,))
        return items, np.where(filled, starts - low, 0)

    def _long(self, starts: Array, lengths: Array, data: Array, tags: Array, blocks: Array) -> None:
        for row in np.flatnonzero(blocks > LONG):
            mac = CMAC(self._algorithm)
            mac.update(data[starts[row] : starts[row] + lengths[row]])
            tags[row] = np.frombuffer(mac.finalize(), np.uint64)
        short = np.flatnonzero(blocks <= LONG)
        if len(short):
            part = np.empty((len(short), 2), np.uint64)
            self._chunk(starts[short], lengths[short], data, part)
            tags[short] = part


def _double(block: bytes) -> bytes:
    # SP 800-38B section 6.1: multiplication by x in GF(2^128).
    doubled = int.from_bytes(block, "big") << 1
    return ((doubled ^ (doubled >> 128) * 0x87) & ((1 << 128) - 1)).to_bytes(BLOCK, "big")


def _endings(first: bytes, second: bytes) -> tuple[Array, Array]:
    # By length of the last block (0..16): what to keep of the 16 bytes read, and pad and subkey to xor.
    keep = b"".join(b"\xff" * length + bytes(BLOCK - length) for length in range(BLOCK + 1))
    finish = b"".join(_xor(second, bytes(length) + b"\x80" + bytes(BLOCK - 1 - length)) for length in range(BLOCK))
    tables = (np.frombuffer(table, np.uint64).reshape(BLOCK + 1, 2) for table in (keep, finish + first))
    return next(tables), next(tables)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
