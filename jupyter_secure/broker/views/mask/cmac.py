"""AES-256-CMAC (NIST SP 800-38B) of many messages at once.

Promises: bit-identical with SP 800-38B for messages of any length; memory is bounded by a chunk of rows, whatever the
length of the array. Timing depends on the lengths of the messages, as with any MAC.

Steps for a chunk: copy its bytes into a scratch area that stays in the processor's cache -> sort rows by number of
blocks, so that the rows still running are always the first -> for each block position gather 16 bytes of each of them,
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
ITEM = "V16"  # numpy moves a 16-byte item in one step, a row of two integers in many


class Cmac:
    """A keyed CMAC.

    Tags come out as uint64 of shape (rows, words): two words are the 16 bytes of a tag, one word is the first 8.
    """

    def __init__(self, key: bytes, words: int = 2) -> None:
        self._algorithm = algorithms.AES256(key)
        self._encrypt = Cipher(self._algorithm, modes.ECB()).encryptor()  # noqa: S305 - CMAC is built of the bare cipher
        first = _double(self._encrypt.update(bytes(BLOCK)))
        self._keep, self._finish = _endings(first, _double(first))
        self._full = np.frombuffer(first, np.uint64)
        self._item = f"V{8 * words}"
        self._words = words
        self._room = bytearray(CHUNK * BLOCK + BLOCK)
        self._state = np.frombuffer(self._room, np.uint64)[: CHUNK * 2].reshape(CHUNK, 2)
        self._block = np.empty((CHUNK, 2), np.uint64)
        self._table = np.empty(CHUNK, ITEM)
        self._scratch = np.zeros(CHUNK * 4 * BLOCK, np.uint8)

    def text(self, messages: Text) -> Array:
        """Return the tags of byte strings."""
        rows = len(messages.starts)
        tags = np.empty((rows, self._words), np.uint64)
        for start in range(0, rows, CHUNK):
            part = slice(start, min(start + CHUNK, rows))
            self._chunk(messages.starts[part], messages.lengths[part], messages.data, tags[part])
        return tags

    def blocks(self, low: Array, high: Array) -> Array:
        """Return the tags of messages of exactly one block each, given as its two uint64 halves."""
        tags = np.empty((len(low), self._words), np.uint64)
        for start in range(0, len(low), CHUNK):
            part = slice(start, min(start + CHUNK, len(low)))
            block = self._block[: part.stop - start]
            np.bitwise_xor(low[part], self._full[0], out=block[:, 0])
            np.bitwise_xor(high[part], self._full[1], out=block[:, 1])
            tags[part] = self._blocks(block)[:, : self._words]
        return tags

    def _chunk(self, starts: Array, lengths: Array, data: Array, tags: Array) -> None:
        blocks = (lengths + (BLOCK - 1)) >> 4
        least, most = int(blocks.min()), int(blocks.max())
        if most > LONG:
            self._long(starts, lengths, data, tags)
            return
        items, starts = self._items(starts, lengths, data)
        if least == 0:  # an empty message is one block of padding
            np.maximum(blocks, 1, out=blocks)
        order: Any = slice(None)
        running = [len(starts)] * max(most, 1)
        if least != most:
            order = np.argsort((most - blocks).astype(np.uint8), kind="stable")  # a radix sort on small integers
            starts, lengths, blocks = starts[order], lengths[order], blocks[order]
            running = (len(starts) - np.cumsum(np.bincount(blocks, minlength=most + 1))[: max(most, 1)]).tolist()
        state = self._chain(items, starts, lengths - ((blocks - 1) << 4), running)
        tags.view(self._item).reshape(-1)[order] = state[:, : self._words].copy().view(self._item).reshape(-1)

    def _chain(self, items: Array, starts: Array, last: Array, running: list[int]) -> Array:
        # `running[r]` rows have more than r blocks; as rows are sorted, these are the first ones.
        for position, rows in enumerate(running):
            block = items[starts[:rows] + BLOCK * position].view(np.uint64).reshape(rows, 2)
            further = running[position + 1] if position + 1 < len(running) else 0
            if further < rows:
                ending = last[further:rows]
                block[further:] &= self._look_up(self._keep, ending)
                block[further:] ^= self._look_up(self._finish, ending)
            if position:
                block ^= self._state[:rows]
            self._blocks(block)
        return self._state[: len(starts)]

    def _look_up(self, table: Array, index: Array) -> Array:
        # "wrap" never wraps, as every length has its row; it spares numpy a second buffer.
        found = self._table[: len(index)]
        np.take(table, index, out=found, mode="wrap")
        return found.view(np.uint64).reshape(-1, 2)

    def _blocks(self, block: Array) -> Array:
        rows = len(block)
        self._encrypt.update_into(memoryview(block.data).cast("B"), memoryview(self._room)[: rows * BLOCK + BLOCK - 1])
        return self._state[:rows]

    def _items(self, starts: Array, lengths: Array, data: Array) -> tuple[Array, Array]:
        # Overlapping 16-byte items over a copy of the chunk's bytes, with room so that the last read stays inside.
        low, high = int(starts[0]), int(starts[-1] + lengths[-1])
        size = high - low
        if size + BLOCK > len(self._scratch):
            self._scratch = np.zeros(2 * size + BLOCK, np.uint8)
        self._scratch[:size] = data[low:high]
        return np.ndarray((size + 1,), ITEM, self._scratch.data, strides=(1,)), starts - low

    def _long(self, starts: Array, lengths: Array, data: Array, tags: Array) -> None:
        long = lengths > LONG * BLOCK
        for row in np.flatnonzero(long):
            mac = CMAC(self._algorithm)
            mac.update(data[starts[row] : starts[row] + lengths[row]].tobytes())
            tags[row] = np.frombuffer(mac.finalize(), np.uint64)[: self._words]
        short = np.flatnonzero(~long)
        if len(short):
            part = np.empty((len(short), self._words), np.uint64)
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
    return np.frombuffer(keep, ITEM), np.frombuffer(finish + first, ITEM)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
