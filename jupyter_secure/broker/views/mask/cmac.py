"""AES-256-CMAC (NIST SP 800-38B) of many messages at once.

Promises: bit-identical with SP 800-38B for messages of any length; memory is bounded by a chunk of rows, whatever the
length of the array. Timing depends on the lengths of the messages, as with any MAC.

Steps for a chunk of rows: at each block position gather 16 bytes of every row that has not ended -> complete the last
block of those that end here (zero the tail, set the 0x80 pad, xor subkey K1 or K2) -> xor the running state ->
encrypt all in one call (ECB of independent blocks is the block cipher itself; the chaining is ours). While all rows
are running they stay in order; from the first that ends, the ones still running are picked by their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from .buffers import Array, Text

CHUNK = 8192  # rows: 128 KiB of blocks, which stays in the second-level cache
LONG = 64  # messages of more blocks are left to OpenSSL one by one, whose chaining is faster than ours there
BLOCK = 16
WIDE = 4  # blocks of a row that are gathered at once
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
        self._words = words
        self._room = bytearray(CHUNK * BLOCK + BLOCK)
        self._state = np.frombuffer(self._room, np.uint64)[: CHUNK * 2].reshape(CHUNK, 2)
        self._block = np.empty((CHUNK, 2), np.uint64)
        self._table = np.empty(CHUNK, ITEM)

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
        least, most = int(lengths.min()), int(lengths.max())
        if most > LONG * BLOCK:
            self._long(starts, lengths, data, tags)
            return
        data, starts = _readable(starts, lengths, data)
        together = max(-(-least // BLOCK), 1)  # blocks over which all rows are running
        state = self._state[: len(starts)]
        for number, block in enumerate(_gathered(data, starts, together)):
            if number + 1 == together:
                self._complete(block, lengths - number * BLOCK if number else lengths, most - number * BLOCK)
            if number:
                np.bitwise_xor(block, state, out=block)
            self._blocks(block)
        tags[:] = self._rest(data, starts, lengths, together * BLOCK, most)[:, : self._words]

    def _rest(self, data: Array, starts: Array, lengths: Array, position: int, most: int) -> Array:
        # The rows that are longer than the shortest one, fewer at each position.
        state = self._state[: len(starts)]
        if position >= most:
            return state
        all_states = state.copy()
        by_row, items = all_states.view(ITEM).reshape(-1), _items(data, 1)
        while position < most:
            rows = np.flatnonzero(lengths > position)
            block = items[starts[rows] + position].view(np.uint64).reshape(-1, 2)
            self._complete(block, lengths[rows] - position, most - position)
            block ^= by_row[rows].view(np.uint64).reshape(-1, 2)
            by_row[rows] = self._blocks(block).view(ITEM).reshape(-1)
            position += BLOCK
        return all_states

    def _complete(self, block: Array, left: Array, most: int) -> None:
        # `left` is how many bytes of each message are left, at most `most`; with more than a block nothing is changed.
        ending = np.minimum(left, BLOCK + 1) if most > BLOCK else left
        block &= self._look_up(self._keep, ending)
        block ^= self._look_up(self._finish, ending)

    def _look_up(self, table: Array, index: Array) -> Array:
        # "wrap" never wraps, as every length has its row; it spares numpy a second buffer.
        found = self._table[: len(index)]
        np.take(table, index, out=found, mode="wrap")
        return found.view(np.uint64).reshape(-1, 2)

    def _blocks(self, block: Array) -> Array:
        rows = len(block)
        self._encrypt.update_into(memoryview(block.data).cast("B"), memoryview(self._room)[: rows * BLOCK + BLOCK - 1])
        return self._state[:rows]

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


def _readable(starts: Array, lengths: Array, data: Array) -> tuple[Array, Array]:
    # Data that whole blocks can be read from: a copy where the last one would leave it.
    high = int(starts[-1] + lengths[-1])
    if high + BLOCK <= len(data):
        return data, starts
    low = int(starts[0])
    return np.concatenate([data[low:high], np.zeros(BLOCK, np.uint8)]), starts - low


def _gathered(data: Array, starts: Array, count: int) -> Iterator[Array]:
    # The first blocks of every row. Numpy takes as long for one block as for the few that lie behind it.
    for first in range(0, count, WIDE):
        width = min(WIDE, count - first)
        wide = _items(data, width)[starts + first * BLOCK if first else starts].view(ITEM).reshape(-1, width)
        for number in range(width):
            yield np.ascontiguousarray(wide[:, number]).view(np.uint64).reshape(-1, 2)


def _items(data: Array, width: int) -> Array:
    # Overlapping items of some blocks.
    return np.ndarray((len(data) - width * BLOCK + 1,), f"V{width * BLOCK}", data.data, strides=(1,))


def _double(block: bytes) -> bytes:
    # SP 800-38B section 6.1: multiplication by x in GF(2^128).
    doubled = int.from_bytes(block, "big") << 1
    return ((doubled ^ (doubled >> 128) * 0x87) & ((1 << 128) - 1)).to_bytes(BLOCK, "big")


def _endings(first: bytes, second: bytes) -> tuple[Array, Array]:
    # By bytes left in the message (0..16, 17 for more): what to keep of the 16 read, and pad and subkey to xor.
    keep = [b"\xff" * length + bytes(BLOCK - length) for length in range(BLOCK + 1)]
    finish = [_xor(second, bytes(length) + b"\x80" + bytes(BLOCK - 1 - length)) for length in range(BLOCK)]
    tables = [*keep, b"\xff" * BLOCK], [*finish, first, bytes(BLOCK)]
    return np.frombuffer(b"".join(tables[0]), ITEM), np.frombuffer(b"".join(tables[1]), ITEM)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
