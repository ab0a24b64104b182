"""Group keys: a fixed, public list of groups, each with a code, and the code of each row.

All groups are answered, also the empty ones, because which groups occur is data. Each key has one more slot for rows
without a value or with a value that is no public key.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.query import MAX_GROUPS, Key

from .aggregate import blocks
from .calendar import bins, span
from .calendar import labels as dates
from .domain import EPOCH, FIRST_DAY, CategoryFacts, Facts, NumberFacts, OpenFacts, exact
from .normalise import Normal
from .predicate import find


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of one key; the last one is for null and unknown.

    Attributes:
        labels: of all slots but the last.
        first: smallest bin number; bins only.
        width: width of a bin in codes, or days of a code where there is a part; None for a category.
        part: of a date.
    """

    col: str
    labels: tuple[object, ...]
    first: int = 0
    width: int | None = None
    part: str | None = None

    @property
    def size(self) -> int:
        """Return the number of slots."""
        return len(self.labels) + 1

    def slot(self, column: Normal) -> NDArray[np.int64]:
        """Return each row's slot."""
        found = np.empty(len(column.codes), dtype=np.int64)
        for rows in blocks(len(found)):
            place, codes, none = found[rows], column.codes[rows], column.null[rows]
            if self.width is None:
                place[:] = codes
                none = none | (codes < 0)  # no public key; numbers and dates are clipped, so each has a bin
            elif self.part is None:
                np.floor_divide(codes, self.width, out=place)
                place -= self.first
            else:
                place[:] = bins(self.part, codes * self.width) - self.first
            np.putmask(place, none, len(self.labels))
        return found


def bind_keys(keys: tuple[Key, ...], facts: Facts) -> tuple[Slots, ...]:
    """Return the slots of all keys.

    Raises:
        InvalidRequestError: a key fits no column, or there would be more groups than `MAX_GROUPS`.
    """
    total = 1
    bound = []
    for key in keys:
        total *= _size(key, facts)
        if total > MAX_GROUPS:
            raise InvalidRequestError(
                f"The question makes more than {MAX_GROUPS:,} groups. Use wider bins or fewer keys."
            )
        bound.append(_bind(key, facts))
    return tuple(bound)


def group_codes(slots: tuple[Slots, ...], columns: Mapping[str, Normal]) -> NDArray[np.int64] | None:
    """Return each row's group as a mixed-radix number, the first key most significant; None without keys."""
    code: NDArray[np.int64] | None = None
    for each in slots:
        slot = each.slot(columns[each.col])
        code = slot if code is None else code * each.size + slot
    return code


def labels(slots: tuple[Slots, ...]) -> dict[str, pa.Array[Any]]:
    """Return the key columns of the answer, in the order of the group codes. Null stands for null and unknown."""
    total = math.prod(each.size for each in slots)
    out: dict[str, pa.Array[Any]] = {}
    inner = total
    for each in slots:
        inner //= each.size
        places = np.tile(np.repeat(np.arange(each.size), inner), total // (inner * each.size))
        out[each.col] = pa.array([*each.labels, None]).take(pa.array(places))
    return out


def _width(key: Key, unit: Fraction) -> int:
    width = exact(float(key.width or 0)) / unit
    if width.denominator != 1:
        raise InvalidRequestError(
            f"The `width` of `{key.col}` must be a multiple of its resolution, which is {float(unit):g}."
        )
    return int(width)


def _size(key: Key, facts: Facts) -> int:
    column = find(key.col, facts)
    if isinstance(column, OpenFacts):
        raise InvalidRequestError(f"`{key.col}` has no public keys: it is grouped by alone, and `persons` is asked.")
    if key.part:
        return _dated(key, facts).size
    if isinstance(column, CategoryFacts):
        if key.width is not None:
            raise InvalidRequestError(f"`{key.col}` is a category: leave `width` out, its groups are its public keys.")
        return len(column.keys) + 1
    if key.width is None and column.zone:
        raise InvalidRequestError(
            f"`{key.col}` is a date: give a `part`, as in `groupby(('{key.col}', 'month'))`, in SQL "
            f"`DATE_TRUNC('month', {key.col})`."
        )
    if key.width is None:
        raise InvalidRequestError(
            f"`{key.col}` is a number: give its bins a `width`, as in `groupby(('{key.col}', 10))`, in SQL "
            f"`FLOOR({key.col} / 10) * 10`."
        )
    width = _width(key, column.unit)
    return column.hi // width - column.lo // width + 2


def _dated(key: Key, facts: Facts) -> Slots:
    column = find(key.col, facts)
    if not isinstance(column, NumberFacts) or column.zone is None or key.width is not None:
        raise InvalidRequestError(f"A `part` is of a date alone and without a `width`, which `{key.col}` does not fit.")
    days = int(column.unit)
    part = str(key.part)
    first, last = span(part, column.lo * days, column.hi * days)
    if last - first > MAX_GROUPS:
        raise InvalidRequestError(f"The bounds of `{key.col}` hold too many days. Use a larger part.")
    return Slots(key.col, dates(part, first, last), first=first, width=days, part=part)


def _bind(key: Key, facts: Facts) -> Slots:
    column = find(key.col, facts)
    if key.part:
        return _dated(key, facts)
    if isinstance(column, CategoryFacts):
        return Slots(key.col, column.keys)
    assert isinstance(column, NumberFacts)
    width = _width(key, column.unit)
    first = column.lo // width
    numbers = range(first, column.hi // width + 1)
    # A quotient of two integers is the float nearest to the fraction, and made in a twentieth of its time.
    step, unit = width * column.unit.numerator, column.unit.denominator
    edges: tuple[object, ...] = tuple(number * step if unit == 1 else number * step / unit for number in numbers)
    if column.zone is not None:
        starts = (int(number * width * column.unit) for number in numbers)
        edges = tuple(EPOCH + dt.timedelta(days=max(start, FIRST_DAY)) for start in starts)
    return Slots(key.col, edges, first=first, width=width)
