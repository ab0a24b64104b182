"""FF1, format-preserving encryption of NIST SP 800-38G (Rev. 1 draft, 2019), of many numeral strings at once.

Encryption only: a view is never turned back here. AES-256. The numeral strings of one call have one length.

Promises: what `cipher` returns is `FF1.Encrypt` of each row, algorithm 7 of the publication, checked against its
samples; domains smaller than a million (the least that Rev. 1 permits) and halves of more than 56 bits are refused.

Steps of a round: Q from tweak, round and right half -> CBC-MAC over P and Q -> the first d bytes modulo radix^m ->
added to the left half -> halves change places.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Array = npt.NDArray[np.uint64]
BLOCK = 16
ROUNDS = 10
LEAST = 10**6  # strings of one length, at least
MOST = 2**56  # values of one half, so that the arithmetic below stays inside 64 bits


class FF1:
    """The cipher under one key and radix.

    Args:
        key: 16, 24 or 32 bytes.
        radix: how many numerals there are.
        tweak: up to 65,535 bytes.
    """

    def __init__(self, key: bytes, radix: int, tweak: bytes = b"") -> None:
        self.radix = radix
        self._tweak = tweak
        self._encrypt = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the block cipher itself

    def fits(self, length: int) -> bool:
        """Say whether strings of that length can be encrypted."""
        return length >= 2 and self.radix**length >= LEAST and self.radix ** (length - length // 2) <= MOST

    def cipher(self, numerals: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the encrypted numerals.

        Args:
            numerals: shape (rows, length), each below the radix.

        Raises:
            ValueError: strings of that length do not fit.
        """
        length = numerals.shape[1]
        if not self.fits(length):
            raise ValueError("too few or too many numerals")
        left_width = length // 2
        widths = left_width, length - left_width
        left, right = self._number(numerals[:, :left_width]), self._number(numerals[:, left_width:])
        width = math.ceil(math.ceil(widths[1] * math.log2(self.radix)) / 8)
        wanted = 4 * math.ceil(width / 4) + 4
        start = self._blocks(self._first(length, left_width))
        for turn in range(ROUNDS):
            modulus = np.uint64(self.radix ** widths[turn % 2])
            mac = start
            for block in self._questions(turn, right, width):
                mac = self._blocks(mac ^ block)
            left, right = right, (left + _modulo(mac[:, :wanted], modulus)) % modulus
        return np.concatenate([self._numerals(left, widths[0]), self._numerals(right, widths[1])], axis=1)

    def _first(self, length: int, half: int) -> npt.NDArray[np.uint8]:
        block = b"\x01\x02\x01" + self.radix.to_bytes(3, "big") + b"\x0a" + bytes([half % 256])
        block += length.to_bytes(4, "big") + len(self._tweak).to_bytes(4, "big")
        return np.frombuffer(block, np.uint8)[None, :]

    def _questions(self, turn: int, half: Array, width: int) -> list[npt.NDArray[np.uint8]]:
        head = self._tweak + bytes(-(len(self._tweak) + width + 1) % BLOCK) + bytes([turn])
        text = np.empty((len(half), len(head) + width), np.uint8)
        text[:, : len(head)] = np.frombuffer(head, np.uint8)
        text[:, len(head) :] = half.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - width :]
        return [text[:, place : place + BLOCK] for place in range(0, text.shape[1], BLOCK)]

    def _blocks(self, blocks: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        made = self._encrypt.update(np.ascontiguousarray(blocks).tobytes())
        return np.frombuffer(made, np.uint8).reshape(-1, BLOCK)

    def _number(self, numerals: npt.NDArray[np.uint8]) -> Array:
        number = np.zeros(len(numerals), np.uint64)
        for place in range(numerals.shape[1]):
            number = number * np.uint64(self.radix) + numerals[:, place]
        return number

    def _numerals(self, number: Array, width: int) -> npt.NDArray[np.uint8]:
        made = np.empty((len(number), width), np.uint8)
        for place in range(width - 1, -1, -1):
            made[:, place] = number % np.uint64(self.radix)
            number = number // np.uint64(self.radix)
        return made


def _modulo(number: npt.NDArray[np.uint8], modulus: np.uint64) -> Array:
    # A big-endian number of many bytes, byte by byte: the rest so far is below 2^56, so a byte more fits into 64 bits.
    rest = np.zeros(len(number), np.uint64)
    for place in range(number.shape[1]):
        rest = ((rest << np.uint64(8)) | number[:, place]) % modulus
    return rest
