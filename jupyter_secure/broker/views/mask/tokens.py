"""Keyed tokens of 64 bits, one per row: the pseudonym's function under the key of another use.

Promises: tokens of one use say nothing about those of another, even where a policy gives both the same domain, because
the use is part of what the key is derived from.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from . import buffers
from .buffers import Array
from .pseudonym import PseudonymMask


class Tokens:
    """The tokens of values of one type.

    Args:
        kind: type of the values.
        key: 32 bytes.
        use: what the tokens are for.
    """

    def __init__(self, kind: pa.DataType, key: bytes, use: str) -> None:
        self._mask = PseudonymMask(kind, key, use)

    def of(self, array: pa.Array) -> tuple[Array, Array | None]:
        """Return uint64 tokens, 0 under nulls, and one bool per row: whether there is a token (None: everywhere)."""
        tokens = self._mask.apply(array)
        return buffers.fixed(tokens, "u8"), buffers.validity(tokens)


def both(one: Array | None, other: Array | None) -> Array | None:
    """Return where both hold; None stands for everywhere."""
    if one is None or other is None:
        return other if one is None else one
    held: Array = np.logical_and(one, other)
    return held
