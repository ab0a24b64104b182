"""From released integers to values and margins: ratios, roots and quantiles.

Works on released numbers and public facts alone, so it costs nothing. A margin of a ratio is the farthest corner of the
box that holds all its parts together with 95 %.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jupyter_secure.protocol.query import Correlation, Covariance, Mean, Quantile, Std, Variance

from .bind import BoundAggregate
from .domain import NumberFacts
from .release import ALPHA, Noise
from .sensitivity import CountPart, ProductPart, SquarePart, SumPart, TreePart
from .tree import quantile, rank_margin

# A ratio's margin depends on a private number of rows, so a forecast states it for groups of this public size, or of
# one that the person says.
FORECAST_ROWS = 1000
RATIOS = (Mean, Variance, Std, Covariance, Correlation)
Floats = NDArray[np.float64]
Values = tuple[NDArray[np.generic], NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Released:
    """A noisy vector and the noise in it.

    Attributes:
        picked: of a tree whose quantiles were picked instead: value and margin by share, in codes.
    """

    noisy: NDArray[np.int64]
    noise: Noise
    picked: Mapping[float, tuple[float, float]] = field(default_factory=dict)


def valued(each: BoundAggregate, parts: Sequence[Released], groups: int) -> Values:
    """Return an aggregate's values and margins, one for each group."""
    if each.kind is Quantile:
        return _quantiles(each, parts[0], groups)
    if each.kind in RATIOS:
        return _ratio(each, parts)
    margin = np.full(groups, parts[0].noise.margin())
    return _scaled(parts[0].noisy, each.column), _scaled(margin, each.column)


def expected(each: BoundAggregate, noises: Sequence[Noise], rows: int) -> tuple[str, float]:
    """Return what to say beside an aggregate's name (`{}` is the number of rows), and the margin to expect."""
    if each.kind is Quantile:
        part = each.parts[0]
        assert isinstance(part, TreePart)
        return " in ranks", rank_margin(part, noises[0])
    if each.kind in RATIOS:
        typical = zip(_typical(each, rows), noises, strict=True)
        _, margin = _ratio(each, [Released(held, noise) for held, noise in typical])
        return " per {} rows", float(margin[0])
    return "", float(_scaled(np.array([noises[0].margin()]), each.column)[0])


def _typical(each: BoundAggregate, held: int) -> list[NDArray[np.int64]]:
    """Return the parts of a group of so many rows, spread evenly over the bounds and without relation."""
    found = []
    for part in each.parts:
        rows = held if isinstance(part, CountPart) else 0
        if isinstance(part, SquarePart):
            rows = held * (part.hi - part.lo) ** 2 // 12 >> (2 * part.shift)
        found.append(np.array([rows]))
    return found


def _scaled(codes: NDArray[np.int64], column: NumberFacts | None) -> NDArray[np.generic]:
    if column is None:
        return codes
    return codes * column.unit.numerator / column.unit.denominator


def _ratio(each: BoundAggregate, parts: Sequence[Released]) -> tuple[Floats, Floats]:
    """Return means, variances, deviations, covariances or correlations, with margins."""
    assert each.column is not None
    of = {Mean: _mean_of, Covariance: _joint_of, Correlation: _joint_of}.get(each.kind, _spread_of)(each)
    offs = [part.noise.margin(ALPHA / len(parts)) for part in parts]
    centre = of(*(part.noisy for part in parts))
    corners = [
        of(*(part.noisy + sign * off for part, off, sign in zip(parts, offs, signs, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(parts))
    ]
    margin = np.max([np.abs(corner - centre) for corner in corners], axis=0)
    unit, first = float(each.column.unit), each.parts[0]
    if each.kind is Mean:
        assert isinstance(first, SumPart)
        return (centre + first.centre) * unit, margin * unit
    units = {Std: unit, Variance: unit**2, Covariance: unit * float(each.other_unit), Correlation: 1.0}[each.kind]
    return centre * units, margin * units


def _mean_of(each: BoundAggregate) -> Callable[..., Floats]:
    part = each.parts[0]
    assert isinstance(part, SumPart)
    low, high = float(part.lo - part.centre), float(part.hi - part.centre)

    def of(total: NDArray[np.int64], rows: NDArray[np.int64]) -> Floats:
        return np.asarray(np.clip(total / np.maximum(rows, 1), low, high))

    return of


def _spread_of(each: BoundAggregate) -> Callable[..., Floats]:
    part, mean = each.parts[2], _mean_of(each)
    assert isinstance(part, SquarePart)
    most = ((part.hi - part.lo) / 2) ** 2  # of all variances between two bounds (Popoviciu)

    def of(total: NDArray[np.int64], rows: NDArray[np.int64], squares: NDArray[np.int64]) -> Floats:
        second = squares * float(1 << 2 * part.shift) / np.maximum(rows, 1)
        variance = np.clip(second - mean(total, rows) ** 2, 0.0, most)
        return np.asarray(np.sqrt(variance) if each.kind is Std else variance)

    return of


def _joint_of(each: BoundAggregate) -> Callable[..., Floats]:
    part = each.parts[0]
    assert isinstance(part, ProductPart)
    one, two = part.one, part.two
    most = (one.hi - one.lo) * (two.hi - two.lo) / 4

    def of(product: NDArray[np.int64], rows: NDArray[np.int64], *others: NDArray[np.int64]) -> Floats:
        held = np.maximum(rows, 1)
        first, second = others[0] / held, others[1] / held
        joint = product * float(1 << one.shift + two.shift) / held - first * second
        if each.kind is Covariance:
            return np.asarray(np.clip(joint, -most, most))
        spread = np.ones(len(rows))
        for square, mean, end in zip(others[2:], (first, second), (one, two), strict=True):
            spread = spread * np.maximum(square * float(1 << 2 * end.shift) / held - mean**2, 0.0)
        found = np.divide(joint, np.sqrt(spread), out=np.zeros(len(rows)), where=spread > 0)
        return np.asarray(np.clip(found, -1.0, 1.0))

    return of


def _quantiles(each: BoundAggregate, tree: Released, groups: int) -> Values:
    part, column = each.parts[0], each.column
    assert isinstance(part, TreePart)
    assert column is not None
    unit = float(column.unit)
    if each.q in tree.picked:
        value, margin = tree.picked[each.q]
        return np.array([value * unit]), np.array([margin * unit])
    nodes = tree.noisy.reshape(groups, -1)
    found = np.array([quantile(part, of_group, each.q, tree.noise) for of_group in nodes])
    return found[:, 0] * unit, found[:, 1] * unit
