"""Generalize: a coarser value of the same meaning.

| input | result | type |
|---|---|---|
| integer | floored to a multiple of `width` | the same, or int64 where `width` does not fit a narrower one |
| float | floored to a multiple of `width`; NaN and infinities stay | the same |
| decimal128 | floored to a multiple of `width` | the same |
| text | the first `prefix` characters, then `*`, also where nothing was cut, so that lengths do not show | `string` |
| date, timestamp | start of the day, week (Monday), month, quarter, year or decade, in the column's zone | the same |
| anything else | null | as `keep` |

A number below the lowest multiple that its type can hold comes out as that multiple. An integer or decimal with a
`grid` has the coarser of grid and width. A zone that this computer does not know counts as UTC.
"""

from __future__ import annotations

import contextlib
import decimal
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jupyter_secure.protocol.noun import MAX_SAFE_INTEGER
from jupyter_secure.protocol.treatment import Generalize

from . import buffers
from .buffers import Array
from .interface import Mask
from .suppress import SuppressMask

SHOWN = 4  # bytes of a value that its view shows
NOT_ASCII = 0x80808080
PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def choose(treatment: Generalize, arrow_type: pa.DataType) -> Mask:
    """Return the mask that fits the type."""
    kind, types = buffers.plain_type(arrow_type), pa.types
    width = max(treatment.width, min(math.ceil(treatment.grid or 0), MAX_SAFE_INTEGER))
    if types.is_string(kind):
        return PrefixMask(treatment.prefix)
    if types.is_integer(kind):
        return IntegerMask(kind, width)
    if types.is_floating(kind):
        return FloatMask(kind, treatment.width)
    if types.is_date(kind) or types.is_timestamp(kind):
        return CalendarMask(kind, treatment.unit)
    if types.is_decimal128(kind) and width * 10**kind.scale < 10**kind.precision:
        return DecimalMask(kind, width)
    return SuppressMask(kind)


class IntegerMask:
    """Floors integers."""

    def __init__(self, kind: pa.DataType, width: int) -> None:
        fits = width < 2 ** (kind.bit_width - 1)
        self.type = self.wire = kind if fits else pa.int64()
        self._source = f"{'u' if pa.types.is_unsigned_integer(kind) else 'i'}{kind.bit_width // 8}"
        self._target = np.dtype(self._source if fits else "i8")
        self._width = self._target.type(width)
        lowest = int(np.iinfo(self._target).min)
        self._lowest = self._target.type(lowest + -lowest % width)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the multiples."""
        array = buffers.plain(array)
        values = buffers.fixed(array, self._source).astype(self._target, copy=False)
        floored = np.maximum(values, self._lowest) // self._width * self._width
        return buffers.from_fixed(floored, self.type, buffers.validity(array))


class FloatMask:
    """Floors floating-point numbers, in float64."""

    def __init__(self, kind: pa.DataType, width: float) -> None:
        self.type = self.wire = kind
        self._dtype = f"f{kind.bit_width // 8}"
        self._width = float(width)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the multiples; the sign of zero and the payload of NaN are not passed on."""
        array = buffers.plain(array)
        with np.errstate(over="ignore", invalid="ignore"):
            values = buffers.fixed(array, self._dtype).astype(np.float64)
            floored = np.floor(values / self._width) * self._width + 0.0
            floored[np.isnan(floored)] = np.nan
            floored = floored.astype(self._dtype)
        return buffers.from_fixed(floored, self.type, buffers.validity(array))


class DecimalMask:
    """Floors decimals."""

    def __init__(self, kind: pa.DataType, width: int) -> None:
        self.type = self.wire = kind
        step, end = width * 10**kind.scale, 10**kind.precision - 1
        self._wide = pa.decimal128(38, kind.scale)  # room for a multiple below the lowest value of the type
        self._width = pa.scalar(decimal.Decimal(width), self._wide)
        self._lowest = pa.scalar(decimal.Decimal(-(end // step) * width), self._wide)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the multiples."""
        array = buffers.plain(array)
        rounded = pc.round_to_multiple(array.cast(self._wide), self._width, round_mode="down")
        rounded = pc.max_element_wise(rounded, self._lowest, skip_nulls=False)
        return buffers.from_fixed(buffers.fixed(rounded, "V16"), self.type, buffers.validity(rounded))


class PrefixMask:
    """Cuts text."""

    type = wire = pa.string()

    def __init__(self, prefix: int) -> None:
        self._prefix = prefix

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the first characters and `*`."""
        if buffers.is_view(array.type) and not array.null_count:
            seen = self._seen(buffers.views(array))
            if seen is not None:
                return buffers.from_rows(seen, self.type, None)
        array = buffers.plain(array)
        valid = buffers.validity(array)
        found = buffers.text(array, valid)
        if valid is None and self._plain_ascii(found):
            return buffers.from_rows(self._cut(found), self.type, None)
        cut = pc.utf8_slice_codeunits(array, 0, self._prefix) if self._prefix else pc.utf8_slice_codeunits(array, 0, 0)
        starred = pc.binary_join_element_wise(cut, pa.scalar("*", cut.type), pa.scalar("", cut.type))
        return _keep_text(starred)

    def _seen(self, views: Array) -> Array | None:
        # A view shows the first four bytes, wherever the others lie: enough, if they are characters of one byte.
        if not len(views) or self._prefix >= SHOWN or int(views[:, 0].min()) < self._prefix:
            return None
        first = views[:, 1] & np.uint32((1 << 8 * self._prefix) - 1)
        if int(np.bitwise_or.reduce(first)) & NOT_ASCII:
            return None
        starred = first | np.uint32(ord("*") << 8 * self._prefix)
        return starred.view(np.uint8).reshape(-1, SHOWN)[:, : self._prefix + 1]

    def _plain_ascii(self, found: buffers.Text) -> bool:
        # One byte per character and enough of them everywhere: then the result has one width.
        if not len(found.starts) or int(found.lengths.min()) < max(self._prefix, 1):
            return False
        window = found.data[int(found.starts[0]) : int(found.starts[-1] + found.lengths[-1])]
        return int(window.max()) < 128

    def _cut(self, found: buffers.Text) -> Array:
        rows = np.full((len(found.starts), self._prefix + 1), ord("*"), np.uint8)
        width = int(found.lengths[0])
        if width == int(found.lengths.min()) == int(found.lengths.max()):  # then the strings lie like a matrix
            first = int(found.starts[0])
            rows[:, :-1] = found.data[first : first + width * len(rows)].reshape(-1, width)[:, : self._prefix]
            return rows
        for position in range(self._prefix):
            rows[:, position] = found.data[found.starts + position]
        return rows


class CalendarMask:
    """Truncates dates and times."""

    def __init__(self, kind: pa.DataType, unit: str) -> None:
        self.type = self.wire = kind
        self._unit = unit
        self._dtype = f"i{kind.bit_width // 8}"
        self._first, self._table = 0, np.zeros(0, self._dtype)
        self._per_day = 1 if pa.types.is_date32(kind) else PER_DAY["ms" if pa.types.is_date64(kind) else kind.unit]
        self._local = _has_known_zone(kind)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the starts of the periods."""
        array = buffers.plain(array)
        valid = buffers.validity(array)
        values = buffers.fixed(pc.local_timestamp(array) if self._local else array, self._dtype)
        if valid is not None:
            values = np.where(valid, values, values.dtype.type(0))
        days = values // values.dtype.type(self._per_day) if self._per_day > 1 else values
        return buffers.from_fixed(self._starts(days, values.dtype), self.type, valid)

    def _starts(self, days: Array, dtype: np.dtype[Any]) -> Array:
        # A table of all days in range is smaller than the column, nearly always, and serves the next batch too.
        if not len(days):
            return days
        low, high = int(days.min()), int(days.max())
        if high - low > len(days):
            return self._instants(_start_of(days, self._unit)).astype(dtype)
        self._cover(low, high, len(days))
        # Every day is in the table: "wrap" never wraps, and is faster than a check.
        starts: Array = np.take(self._table, days - days.dtype.type(self._first), mode="wrap")
        return starts

    def _cover(self, low: int, high: int, most: int) -> None:
        first, last = self._first, self._first + len(self._table) - 1
        if first <= low and high <= last:
            return
        if len(self._table) and max(high, last) - min(low, first) <= most:
            low, high = min(low, first), max(high, last)
        days = np.arange(low, high + 1)
        self._first, self._table = low, self._instants(_start_of(days, self._unit)).astype(self._dtype)

    def _instants(self, days: Array) -> Array:
        """Return the beginnings of days in the column's unit; a midnight that a zone leaves out is the next moment."""
        with np.errstate(over="ignore"):
            found: Array = days * self._per_day
        if self._local:
            walls = pa.array(found).cast(pa.timestamp(self.type.unit))
            zoned = pc.assume_timezone(walls, self.type.tz, ambiguous="earliest", nonexistent="latest")
            found = buffers.fixed(zoned, "i8")
        return found


def _has_known_zone(kind: pa.DataType) -> bool:
    if not pa.types.is_timestamp(kind) or kind.tz in (None, "UTC"):
        return False
    with contextlib.suppress(pa.ArrowInvalid):
        pc.local_timestamp(pa.array([0], kind))
        return True
    return False


def _start_of(days: Array, unit: str) -> Array:
    if unit == "day":
        return days.astype(np.int64)
    if unit == "week":  # 1970 began on a Thursday
        mondays: Array = (days.astype(np.int64) + 3) // 7 * 7 - 3
        return mondays
    dates = days.astype("M8[D]")
    if unit in ("month", "quarter"):
        months: Array = dates.astype("M8[M]").view(np.int64)
        periods: Array = (months // 3 * 3 if unit == "quarter" else months).astype("M8[M]")
    else:
        years: Array = dates.astype("M8[Y]").view(np.int64)
        if unit == "decade":
            years = (years + 1970) // 10 * 10 - 1970
        periods = years.astype("M8[Y]")
    starts: Array = periods.astype("M8[D]").view(np.int64)
    return starts


def _keep_text(array: pa.Array) -> pa.Array:
    from .keep import KeepMask

    return KeepMask(array.type).apply(array)
