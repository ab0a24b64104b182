"""Format-preserving: a keyed token of the same length and alphabet, by FF1; separators stay where they are.

Type: `string`; what is not text becomes null, as `keep`. The numerals of a value are its characters of the alphabet, in
order; space and `-./()+:_` may stand between them and are shown. A value with any other character, or with too few or
too many numerals (of `digits`, 6 to 32), becomes null: it could not be hidden in this form.

Equal values of one domain give equal tokens inside one project and purpose. Unlike a pseudonym it can be turned back by
whoever has the key, and different values never share a token.
"""

from __future__ import annotations

import string

import numpy as np
import pyarrow as pa

from . import buffers
from .buffers import Array
from .ff1 import FF1
from .keep import KeepMask
from .pseudonym import derive

ALPHABETS = {
    "digits": string.digits,
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "alphanumeric": string.digits + string.ascii_uppercase + string.ascii_lowercase,
}
SEPARATORS = " -./()+:_"
SEPARATOR, FOREIGN = 254, 255


class FormatPreservingMask:
    """See the module. `key` has 32 bytes."""

    def __init__(self, alphabet: str, kind: pa.DataType, key: bytes) -> None:
        self.type = self.wire = buffers.plain_type(kind)
        characters = np.frombuffer(ALPHABETS[alphabet].encode(), np.uint8)
        self._characters = characters
        self._numerals = np.full(256, FOREIGN, np.uint8)
        self._numerals[np.frombuffer(SEPARATORS.encode(), np.uint8)] = SEPARATOR
        self._numerals[characters] = np.arange(len(characters))
        self._cipher = FF1(derive(key, alphabet, "format-preserving"), len(characters))

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the tokens."""
        if not pa.types.is_string(self.type):
            return pa.nulls(len(array), self.type)
        array = KeepMask(array.type).apply(array)  # now its rows lie one after another, and nothing else does
        found = buffers.text(array, buffers.validity(array))
        rows = np.repeat(np.arange(len(array)), found.lengths)
        numerals = self._numerals[found.data]
        counts = np.bincount(rows[numerals < SEPARATOR], minlength=len(array))
        counts[np.bincount(rows[numerals == FOREIGN], minlength=len(array)) > 0] = 0
        valid = self._encrypt(numerals, rows, counts)
        data = found.data.copy()
        shown = numerals < SEPARATOR
        data[shown] = self._characters[numerals[shown]]
        return self._built(array, data, valid)

    def _encrypt(self, numerals: Array, rows: Array, counts: Array) -> Array:
        # In place, all values of one count together; returns which rows could be encrypted.
        done = np.zeros(len(counts), bool)
        for count in np.unique(counts):
            if not self._cipher.fits(int(count)):
                continue
            chosen = counts == count
            places = np.flatnonzero(chosen[rows] & (numerals < SEPARATOR))
            numerals[places] = self._cipher.cipher(numerals[places].reshape(-1, count)).reshape(-1)
            done |= chosen
        return done

    def _built(self, array: pa.Array, data: Array, valid: Array) -> pa.Array:
        if not len(array):
            return array
        whole = pa.Array.from_buffers(
            self.type, len(array), [buffers.bitmap(valid), array.buffers()[1], pa.py_buffer(data)]
        )
        return KeepMask(self.type).apply(whole)  # bytes of rows that became null stay behind
