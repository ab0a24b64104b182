"""Clip: top and bottom code.

| input | result | type |
|---|---|---|
| integer | between `low` rounded up and `high` rounded down, as far as the type reaches | the same |
| float | between `low` and `high`; infinities too; NaN stays | the same |
| decimal128 | between `low` and `high`, rounded inwards to the type's scale | the same |
| anything else | null | as `keep` |
"""

from __future__ import annotations

import decimal
import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jupyter_secure.protocol.treatment import Clip

from . import buffers
from .interface import Mask
from .suppress import SuppressMask


def choose(treatment: Clip, kind: pa.DataType) -> Mask:
    """Return the mask that fits the type; a range in which the type has no value hides everything."""
    kind = buffers.plain_type(kind)
    if pa.types.is_integer(kind):
        return _integer(treatment, kind)
    if pa.types.is_floating(kind):
        return ClipMask(kind, f"f{kind.bit_width // 8}", treatment.low, treatment.high)
    if pa.types.is_decimal128(kind):
        return DecimalClipMask(treatment, kind)
    return SuppressMask(kind)


def _integer(treatment: Clip, kind: pa.DataType) -> Mask:
    dtype = f"{'u' if pa.types.is_unsigned_integer(kind) else 'i'}{kind.bit_width // 8}"
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    low = least if treatment.low is None else math.ceil(treatment.low)
    high = most if treatment.high is None else math.floor(treatment.high)
    if low > high or low > most or high < least:
        return SuppressMask(kind)
    return ClipMask(kind, dtype, max(low, least), min(high, most))


class ClipMask:
    """Clips numbers of a fixed width."""

    def __init__(self, kind: pa.DataType, dtype: str, low: float | None, high: float | None) -> None:
        self.type = self.wire = kind
        self._dtype, self._low, self._high = np.dtype(dtype), low, high

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the numbers inside the range."""
        array = buffers.plain(array)
        values = buffers.fixed(array, self._dtype.str)
        limits = [None if limit is None else self._dtype.type(limit) for limit in (self._low, self._high)]
        return buffers.from_fixed(np.clip(values, *limits), self.type, buffers.validity(array))


class DecimalClipMask:
    """Clips decimals."""

    def __init__(self, treatment: Clip, kind: pa.DataType) -> None:
        self.type = self.wire = kind
        self._low = self._limit(treatment.low, decimal.ROUND_CEILING)
        self._high = self._limit(treatment.high, decimal.ROUND_FLOOR)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the numbers inside the range."""
        array = buffers.plain(array)
        if self._low is not None:
            array = pc.max_element_wise(array, self._low, skip_nulls=False)
        if self._high is not None:
            array = pc.min_element_wise(array, self._high, skip_nulls=False)
        return buffers.from_fixed(buffers.fixed(array, "V16"), self.type, buffers.validity(array))

    def _limit(self, limit: float | None, rounding: str) -> pa.Scalar | None:
        if limit is None:
            return None
        most = decimal.Decimal(10**self.type.precision - 1).scaleb(-self.type.scale)
        with decimal.localcontext(prec=76):
            exact = decimal.Decimal(limit).quantize(decimal.Decimal(1).scaleb(-self.type.scale), rounding)
        return pa.scalar(max(-most, min(most, exact)), self.type)
