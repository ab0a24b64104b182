"""Columns as integers: what a policy says of a column, applied to each row alone, and a person's rows bounded.

Promises: a code depends on its own row and on public facts only; which rows of a person are kept depends on that
person's rows and a secret key only, so adding or removing one person changes at most k rows and no others. Rows without
a privacy unit belong to nobody and are never used.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .domain import CategoryFacts, ColumnFacts, NumberFacts, OpenFacts


class Normal(NamedTuple):
    """One column: an integer code for each row, and whether the row has no value (its code means nothing then).

    Attributes:
        names: of an open column what its codes stand for, in an order that is data.
        bounds: the codes that policy's bounds stand for, of a number; no code lies beyond them.
    """

    codes: NDArray[np.int64]
    null: NDArray[np.bool_]
    names: pa.Array[Any] | None = None
    bounds: tuple[int, int] | None = None

    def within(self, lo: int, hi: int) -> tuple[bool, bool]:
        """Say whether policy alone keeps every code from `lo` upwards, and up to `hi`; the rows are not looked at."""
        return (False, False) if self.bounds is None else (lo <= self.bounds[0], self.bounds[1] <= hi)


def normalise(column: pa.ChunkedArray[Any], facts: ColumnFacts) -> Normal:
    """Return a column's codes.

    Raises:
        TypeError: the column's type cannot hold what the policy says; no value is looked at before.
    """
    if isinstance(facts, OpenFacts):
        return _open(column)
    return _number(column, facts) if isinstance(facts, NumberFacts) else _category(column, facts)


def bound_contributions(units: pa.ChunkedArray[Any], k: int, key: bytes) -> NDArray[np.bool_]:
    """Return which rows are used: at most `k` of each person, picked by the order of a keyed hash."""
    if pa.types.is_dictionary(units.type):
        units = units.cast(units.type.value_type)  # its parts may number the same people differently
    encoded: Any = pa.concat_arrays(units.chunks) if units.num_chunks else pa.array([], units.type)
    encoded = encoded.dictionary_encode()
    known: NDArray[np.bool_] = np.asarray(encoded.is_valid())
    codes = np.asarray(encoded.indices.fill_null(-1), dtype=np.int64)
    counts = np.bincount(codes[known], minlength=len(encoded.dictionary))
    busy = counts > k
    if not busy.any():
        return known
    rows = np.flatnonzero(known & busy[codes])
    rows = rows[_keyed_order(codes[rows], encoded.dictionary, key)]
    ordered = codes[rows]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    keep = known.copy()
    keep[rows[rank >= k]] = False
    return keep


def numbered(units: pa.ChunkedArray[Any]) -> Normal:
    """Return a number for each row's person, the same for all rows of one person."""
    if pa.types.is_dictionary(units.type):
        units = units.cast(units.type.value_type)
    encoded: Any = pa.concat_arrays(units.chunks) if units.num_chunks else pa.array([], units.type)
    codes = np.asarray(encoded.dictionary_encode().indices.fill_null(-1), dtype=np.int64)
    return Normal(codes, codes < 0)


def _keyed_order(codes: NDArray[np.int64], names: Any, key: bytes) -> NDArray[np.int64]:
    """Order rows by person and, inside a person, by a hash of (key, person, how many rows of that person came before).

    Neither the row's number nor the person's code may enter the hash: both move when somebody else is added.
    """
    by_person = np.argsort(codes, kind="stable")
    ordered = codes[by_person]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    before = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)]))
    people = ordered[starts]
    seeds = np.array([_seed(name, key) for name in names.take(pa.array(people)).to_pylist()], dtype=np.uint64)
    mixed = _mix(np.repeat(seeds, np.diff(np.r_[starts, len(codes)])) + before.astype(np.uint64))
    return by_person[np.lexsort((before, mixed, ordered))]


def _seed(name: object, key: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(repr(name).encode(), digest_size=8, key=key).digest(), "little")


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # The finalizer of SplitMix64 (Steele, Lea, Flood 2014): spreads the counter; the secret is in the seed.
    state = state * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _number(column: pa.ChunkedArray[Any], facts: NumberFacts) -> Normal:
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz and facts.zone not in (None, "UTC"):
        # The day that it was there; without a zone of its own a time is taken as it stands.
        column = pc.local_timestamp(column.cast(pa.timestamp(kind.unit, facts.zone)))
        kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        column = column.cast(pa.date32(), safe=False).cast(pa.int32())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise TypeError("a column that policy calls a number is none")
    values = np.asarray(column.cast(pa.float64(), safe=False), dtype=np.float64)
    null = np.isnan(values)  # Arrow's nulls arrive as NaN, so a null and a NaN are one thing
    unit = float(facts.unit)
    inside = np.clip(np.where(null, 0.0, values), facts.lo * unit, facts.hi * unit)  # also tames infinities
    scaled = np.rint(inside / unit)
    codes = np.clip(scaled, facts.lo, facts.hi).astype(np.int64)
    return Normal(codes, null, bounds=(facts.lo, facts.hi))


def _open(column: pa.ChunkedArray[Any]) -> Normal:
    text = _text(column)
    encoded: Any = pa.concat_arrays(text.chunks) if text.num_chunks else pa.array([], pa.string())
    encoded = encoded.dictionary_encode()
    codes = np.asarray(encoded.indices.fill_null(-1), dtype=np.int64)
    return Normal(codes, codes < 0, encoded.dictionary)


def _category(column: pa.ChunkedArray[Any], facts: CategoryFacts) -> Normal:
    text = _text(column)
    found = pc.index_in(text, value_set=pa.array(facts.keys, pa.string()))
    codes = np.asarray(found.fill_null(-1), dtype=np.int64)
    return Normal(codes, np.asarray(text.is_null()))


def _text(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    suits = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_integer)
    if not any(test(kind) for test in (*suits, pa.types.is_boolean)):
        raise TypeError("a column that policy calls a category is none")
    return column.cast(kind).cast(pa.string())
