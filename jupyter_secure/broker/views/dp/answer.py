"""From exact integers to the table that leaves: noise, then post-processing that costs nothing.

The table has the key columns, then for each aggregate its value and `<name>_margin`, the half-width of a 95 % margin of
error; rows stand in the fixed order of the public groups. Counts and sums may come out negative: cutting them at zero
would bias every total made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .aggregate import aggregate
from .bind import Bound, BoundAggregate
from .domain import NumberFacts
from .group import group_codes, labels
from .normalise import Normal
from .predicate import truth
from .release import ALPHA, Noise, gaussian, release
from .sensitivity import Part, SumPart, l2

# A mean's margin depends on a private number of rows, so a forecast states it for groups of this public size.
FORECAST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Answered:
    """A table, and for each aggregate its largest margin."""

    table: pa.Table
    errors: dict[str, float]


def answer(bound: Bound, columns: Mapping[str, Normal], kept: NDArray[np.bool_]) -> Answered:
    """Release the answer to a bound question, once.

    Args:
        bound: the question.
        columns: codes of every column in `bound.columns`.
        kept: rows that bounding of contributions left.
    """
    used = kept if bound.test is None else kept & truth(bound.test, columns).true
    codes = group_codes(bound.slots, columns)
    table: dict[str, pa.Array[Any]] = labels(bound.slots) if bound.slots else {}
    errors: dict[str, float] = {}
    for each in bound.aggregates:
        exact = [aggregate(part, columns, used, codes, bound.groups).tolist() for part in each.parts]
        value, margin = _noisy(each, exact, bound)
        table |= {each.name: pa.array(value), f"{each.name}_margin": pa.array(margin)}
        errors[each.name] = float(margin.max())
    return Answered(pa.table(table), errors)


def forecast(bound: Bound) -> dict[str, float]:
    """Return the margins to expect, without data and without cost; a mean's for groups of `FORECAST_ROWS` rows."""
    errors: dict[str, float] = {}
    for each in bound.aggregates:
        noises = [_noise(part, bound) for part in each.parts]
        if each.is_mean:
            rows = np.array([FORECAST_ROWS])
            _, margin = _ratio(each, np.array([0]), rows, noises)
            errors[f"{each.name} per {FORECAST_ROWS:,} rows"] = float(margin[0])
        else:
            errors[each.name] = float(_scaled(np.array([noises[0].margin()]), each.column)[0])
    return errors


def _noise(part: Part, bound: Bound) -> Noise:
    return gaussian(l2(part, bound.k), bound.units)


def _noisy(
    each: BoundAggregate, exact: list[list[int]], bound: Bound
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    noises = [_noise(part, bound) for part in each.parts]
    noisy = [
        np.array(release(values, noise, l2(part, bound.k), bound.units), dtype=np.int64)
        for part, values, noise in zip(each.parts, exact, noises, strict=True)
    ]
    if each.is_mean:
        return _ratio(each, noisy[0], noisy[1], noises)
    margin = np.full(len(noisy[0]), noises[0].margin())
    return _scaled(noisy[0], each.column), _scaled(margin, each.column)


def _scaled(codes: NDArray[np.int64], column: NumberFacts | None) -> NDArray[np.generic]:
    if column is None:
        return codes
    return codes * column.unit.numerator / column.unit.denominator


def _ratio(
    each: BoundAggregate, total: NDArray[np.int64], rows: NDArray[np.int64], noises: list[Noise]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means and margins: the farthest corner of the box that holds both parts with 95 % (2.5 % off for each)."""
    part, column = each.parts[0], each.column
    assert isinstance(part, SumPart)
    assert column is not None
    low, high = float(part.lo - part.centre), float(part.hi - part.centre)
    off_total, off_rows = (noise.margin(ALPHA / 2) for noise in noises)
    centre = np.clip(total / np.maximum(rows, 1), low, high)
    corners = [
        np.clip((total + sign * off_total) / np.maximum(rows + other * off_rows, 1), low, high)
        for sign in (-1, 1)
        for other in (-1, 1)
    ]
    margin = np.max([np.abs(corner - centre) for corner in corners], axis=0)
    unit = float(column.unit)
    return (centre + part.centre) * unit, margin * unit
