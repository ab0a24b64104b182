"""Pseudonym: a keyed token of 16 hex characters, the first 64 bits of AES-256-CMAC over the value.

Type: `string`, whatever the input, because a 64-bit number in a column with nulls would become a float in a data frame
and lose its last bits. It travels as uint64 and is written out in hex by the kernel. Equal values of equal kind under
one key give equal tokens; without the key nothing can be tried against them. The chance that any two of n values share
a token is about n^2 / 2^65 (3e-4 for 100 million).

A message is unambiguous: each kind of value has its own key, derived from the column's key (HKDF-Expand of RFC 5869
with the kind as `info`), so that an integer and a 16-byte text with the same message do not give one token.

| kind | message |
|---|---|
| text | the UTF-8 bytes, as they are |
| binary | the bytes |
| integer | 128-bit two's complement, so that signed and unsigned agree |
| float | bits of the float64; -0.0 as 0.0, every NaN as one |
| boolean | 0 or 1 as an integer |
| date | days since 1970 (date32 and date64 agree) |
| time | seconds since 1970 and nanoseconds (timestamps of every unit agree; the time zone is only how it is shown) |
| decimal/scale | the unscaled 128-bit integer |

Other types (nested, time of day, duration, decimal256) become null.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from . import buffers
from .buffers import Array
from .cmac import Cmac

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
DAY_MS = 86_400_000


class PseudonymMask:
    """See the module. `key` has 32 bytes."""

    type = pa.string()
    wire = pa.uint64()

    def __init__(self, arrow_type: pa.DataType, key: bytes, use: str = "pseudonym") -> None:
        self._kind = kind_of(buffers.plain_type(arrow_type))
        self._cmac = Cmac(derive(key, self._kind, use), words=1) if self._kind else None

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the tokens."""
        if self._cmac is None:
            return pa.nulls(len(array), self.wire)
        array = buffers.plain(array)
        valid = buffers.validity(array)
        if self._kind in ("text", "binary"):
            tags = self._cmac.text(buffers.text(array, valid))
        else:
            tags = self._cmac.blocks(*_halves(array, self._kind))
        return buffers.from_fixed(tags.reshape(-1), self.wire, valid)


def derive(key: bytes, kind: str, use: str = "pseudonym") -> bytes:
    """Return the 32-byte key of one kind of value for one use."""
    return HKDFExpand(hashes.SHA256(), 32, f"jupyter-secure/{use}/v1/{kind}".encode()).derive(key)


def kind_of(kind: pa.DataType) -> str:  # noqa: PLR0911 - one line per row of the table above
    """Return the kind of a plain type, empty where it has none."""
    types = pa.types
    if types.is_string(kind):
        return "text"
    if types.is_binary(kind):
        return "binary"
    if types.is_integer(kind):
        return "integer"
    if types.is_floating(kind):
        return "float"
    if types.is_boolean(kind):
        return "boolean"
    if types.is_date(kind):
        return "date"
    if types.is_timestamp(kind):
        return "time"
    return f"decimal/{kind.scale}" if types.is_decimal128(kind) else ""


def _halves(array: pa.Array, kind: str) -> tuple[Array, Array]:
    # The two 64-bit halves of each row's one-block message.
    if kind.startswith("decimal"):
        both = buffers.fixed(array, "V16").view(np.uint64).reshape(-1, 2)
        return both[:, 0], both[:, 1]
    if kind == "float":
        numbers = np.asarray(array.cast(pa.float64()).fill_null(0.0), np.float64) + 0.0  # -0.0 + 0.0 is 0.0
        return np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64), _zeros(array)
    if kind == "time":
        per = PER_SECOND[array.type.unit]
        seconds, rest = np.divmod(buffers.fixed(array, "i8"), per)
        return seconds.view(np.uint64), (rest * (10**9 // per)).view(np.uint64)
    values = _integers(array)
    sign = (values >> 63).view(np.uint64) if values.dtype == np.int64 else _zeros(array)  # the sign, extended
    return values.view(np.uint64), sign


def _zeros(array: pa.Array) -> Array:
    return np.zeros(len(array), np.uint64)


def _integers(array: pa.Array) -> Array:
    kind = array.type
    if pa.types.is_boolean(kind):
        return np.asarray(array.fill_null(False).cast(pa.int64()), np.int64)
    if pa.types.is_date64(kind):
        return buffers.fixed(array, "i8") // DAY_MS
    if pa.types.is_date32(kind):
        return buffers.fixed(array, "i4").astype(np.int64)
    width = kind.bit_width // 8
    if pa.types.is_unsigned_integer(kind):
        return buffers.fixed(array, f"u{width}").astype(np.uint64)
    return buffers.fixed(array, f"i{width}").astype(np.int64)
