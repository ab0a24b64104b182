"""From cells back to values, in the types of the real columns.

A number is drawn evenly from its cell, in whole multiples of the resolution; a category is its key; the last cell of a
column (missing, or no public key) is empty. Columns that nobody may ask about are empty too, but for tokens, which are
random. Promise: every column has the type that the real one is shown with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jupyter_secure.protocol.messages import ColumnOffer, DpColumn
from jupyter_secure.protocol.treatment import Pseudonym

Cells = NDArray[np.int64]
ALIASES = {"date32[day]": pa.date32(), "date64[ms]": pa.date64()}
TEXT = ("string", "large_string", "string_view")


def shown_type(text: str) -> pa.DataType:
    """Return the type with which a column of this Arrow type is shown; text where nothing better is known."""
    inner = re.fullmatch(r"dictionary<values=(.+), indices=.+>", text)
    text = inner.group(1) if inner else text
    if moment := re.fullmatch(r"timestamp\[(s|ms|us|ns)(?:, tz=(.+))?\]", text):
        return pa.timestamp(moment.group(1), moment.group(2))
    if exact := re.fullmatch(r"decimal(?:128|256)\((\d+), (-?\d+)\)", text):
        return pa.decimal128(min(int(exact.group(1)), 38), int(exact.group(2)))
    if text in ALIASES:
        return ALIASES[text]
    try:
        return pa.large_string() if text in TEXT else pa.type_for_alias(text)
    except ValueError:
        return pa.large_string()


def values_of(column: DpColumn, edges: Sequence[float], cells: Cells, rng: np.random.Generator) -> pa.Array:
    """Return a value for each cell of a column.

    Args:
        column: its public facts.
        edges: its cut points, if it is a number or a date.
        cells: from 0; the last cell of the column is the empty one.
        rng: what draws inside a cell.
    """
    kind = shown_type(column.type)
    if column.kind == "category":
        keys = pa.array([*column.keys, None], pa.string()).cast(kind)
        return keys.take(pa.array(cells))
    empty = cells == len(edges) + 1
    unit = Fraction(repr(column.resolution))
    low, high = math.ceil(_exact(column.lower) / unit), math.floor(_exact(column.upper) / unit)
    cuts = [min(max(math.ceil(_exact(edge) / unit), low), high) for edge in edges]
    start, stop = np.array([low, *cuts, low]), np.array([*cuts, high + 1, high + 1])
    width = np.maximum(stop - start, 1)[cells]
    codes = start[cells] + np.floor(rng.random(len(cells)) * width).astype(np.int64)
    return _numbers(codes, unit, empty, kind, dates=column.kind == "date")


def left_out(column: ColumnOffer, rows: int, rng: np.random.Generator) -> pa.Array:
    """Return a column that cannot be asked about: random tokens where the real view has tokens, else empty."""
    if column.treatment != Pseudonym.__struct_config__.tag:
        return pa.nulls(rows, shown_type(column.type))
    tokens = rng.bytes(8 * rows).hex()
    return pa.array([tokens[place : place + 16] for place in range(0, 16 * rows, 16)], pa.large_string())


def _exact(value: float | None) -> Fraction:
    return Fraction(repr(float(value or 0)))


def _numbers(codes: Cells, unit: Fraction, empty: NDArray[np.bool_], kind: pa.DataType, *, dates: bool) -> pa.Array:
    if dates:
        days = pa.array(codes * unit.numerator, pa.int32(), mask=empty).cast(pa.date32())
        if not pa.types.is_timestamp(kind):
            return days.cast(kind)
        moments = days.cast(pa.timestamp(kind.unit))
        return (
            moments
            if kind.tz is None
            else pc.assume_timezone(moments, kind.tz, nonexistent="earliest", ambiguous="earliest")
        )
    if pa.types.is_integer(kind):
        limits = np.iinfo(kind.to_pandas_dtype())
        whole = codes * unit.numerator // unit.denominator
        return pa.array(whole.clip(limits.min, limits.max), pa.int64(), mask=empty).cast(kind)
    return pa.array(codes * unit.numerator / unit.denominator, pa.float64(), mask=empty).cast(kind, safe=False)
