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

from jupyter_secure.broker.views.payment import Paid

from .aggregate import aggregate
from .bind import Bound
from .group import group_codes, labels
from .normalise import Normal
from .opened import answer_open, forecast_open
from .predicate import certainly
from .refine import refined, refinement
from .release import Noise, noise_for, release
from .rows import Leaves
from .sensitivity import Part, TreePart, sensitivity
from .value import FORECAST_ROWS, Released, expected, valued

NOTHING = np.array([], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Answered:
    """A table, and for each aggregate its largest margin."""

    table: pa.Table
    errors: dict[str, float]


def answer(bound: Bound, columns: Mapping[str, Normal], kept: NDArray[np.bool_], paid: Paid) -> Answered:
    """Release the answer to a bound question, once.

    Args:
        bound: the question.
        columns: codes of every column in `bound.columns`, and of persons where they are counted.
        kept: rows that bounding of contributions left.
        paid: returns when the question is paid, or raises; what can be summed before is.
    """
    used = kept if bound.test is None else kept & certainly(bound.test, columns)
    if bound.opened is not None:
        paid()
        return Answered(*answer_open(bound.opened, columns, used))
    codes = group_codes(bound.slots, columns)
    table: dict[str, pa.Array[Any]] = labels(bound.slots) if bound.slots else {}
    exact = {part: _exact(part, columns, used, codes, bound) for part in bound.parts}
    paid()
    released = {part: _released(part, counted, bound) for part, counted in exact.items()}
    errors: dict[str, float] = {}
    for each in bound.aggregates:
        value, margin = valued(each, [released[part] for part in each.parts], bound.groups)
        table |= {each.name: pa.array(value), f"{each.name}_margin": pa.array(margin)}
        errors[each.name] = float(margin.max())
    return Answered(pa.table(table), errors)


def forecast(bound: Bound, rows: int = FORECAST_ROWS) -> dict[str, float]:
    """Return the margins to expect, without data and without cost; of ratios for groups of so many rows."""
    if bound.opened is not None:
        return forecast_open(bound.opened)
    errors: dict[str, float] = {}
    for each in bound.aggregates:
        if (plan := refinement(each.parts[0], bound)) is not None:
            errors[f"{each.name} in ranks"] = plan.off(each.q)
            continue
        what, margin = expected(each, [_noise(part, bound) for part in each.parts], rows)
        errors[f"{each.name}{what.format(f'{rows:,}')}"] = margin
    return errors


def _noise(part: Part, bound: Bound) -> Noise:
    return noise_for(sensitivity(part, bound.k), bound.price)


def _exact(
    part: Part,
    columns: Mapping[str, Normal],
    used: NDArray[np.bool_],
    codes: NDArray[np.int64] | None,
    bound: Bound,
) -> NDArray[np.int64] | Leaves:
    """Return what noise is added to, or what a refinement looks at."""
    if refinement(part, bound) is None:
        return aggregate(part, columns, used, codes, bound.groups)
    assert isinstance(part, TreePart)
    column = columns[part.col]
    return Leaves(part, column.codes, used > column.null, within=all(column.within(part.lo, part.hi)))


def _released(part: Part, exact: NDArray[np.int64] | Leaves, bound: Bound) -> Released:
    if isinstance(exact, Leaves):
        plan = refinement(part, bound)
        assert plan is not None
        return Released(NOTHING, plan.looks.noise(), refined(plan, exact))
    noise = _noise(part, bound)
    return Released(release(exact, noise, sensitivity(part, bound.k), bound.price), noise)
