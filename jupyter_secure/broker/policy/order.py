"""How treatments of equal rung combine: to the most restrictive, by a declared total order.

The order is `protocol.treatment.RESTRICTIVENESS`, from keep to suppress. Two of one method combine parameter by
parameter to the coarser one; where parameters are not coarser or finer (a domain, a form), to the alphabetically first,
which each rule permits alone; where nothing is left that both permit, to suppress. The combination is commutative,
associative and idempotent, so the order of rules in a file means nothing.
"""

from __future__ import annotations

import math
from typing import get_args

import msgspec

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.form import FLOATS, has_meaning
from jupyter_secure.protocol.treatment import (
    RESTRICTIVENESS,
    Clip,
    Constant,
    FormatPreserving,
    Generalize,
    Keep,
    Noise,
    Partial,
    Pseudonym,
    Redact,
    ShiftDates,
    Suppress,
    Treatment,
    Unit,
)

KEEPABLE = frozenset({Tag.MEASURE, Tag.PUBLIC})
UNITS: tuple[str, ...] = get_args(Unit)  # from fine to coarse
PARTS = {"email": "by its domain", "iban": "by its country and its end"}
_PLACE = {kind: place for place, kind in enumerate(RESTRICTIVENESS)}


def hides_enough(treatment: Treatment, tag: Tag) -> bool:
    """Say whether a masked view may show a column of that tag so: nothing that names a person, nearly as it is."""
    if isinstance(treatment, Keep):
        return tag in KEEPABLE
    return tag is not Tag.DIRECT or not isinstance(treatment, Clip | Noise)


def combine(one: Treatment, other: Treatment) -> Treatment:
    """Return the most restrictive of two treatments, or their common coarsening."""
    if _PLACE[type(one)] != _PLACE[type(other)]:
        return max(one, other, key=lambda treatment: _PLACE[type(treatment)])
    match one, other:
        case Generalize(), Generalize():
            return _generalize(one, other)
        case Clip(), Clip():
            return _clip(one, other)
        case Noise(), Noise():
            return max(one, other, key=lambda noise: (noise.scale, noise.distribution, noise.subject))
        case ShiftDates(), ShiftDates():
            return max(one, other, key=lambda shift: (shift.days, shift.subject))
        case _:
            return min(one, other, key=msgspec.json.encode)


def _generalize(one: Generalize, other: Generalize) -> Treatment:
    edges = one.edges or other.edges
    if one.edges and other.edges:
        edges = tuple(edge for edge in one.edges if edge in other.edges)
        if not edges:
            return Suppress()
    return Generalize(
        width=max(one.width, other.width),  # each rule permits its own bins, and the wider bin says less
        edges=edges,
        grid=max(one.grid, other.grid) if one.grid and other.grid else one.grid or other.grid,
        prefix=min(one.prefix, other.prefix),
        unit=max(one.unit, other.unit, key=UNITS.index),
    )


def _clip(one: Clip, other: Clip) -> Treatment:
    low = max((low for low in (one.low, other.low) if low is not None), default=None)
    high = min((high for high in (one.high, other.high) if high is not None), default=None)
    return Suppress() if low is not None and high is not None and low > high else Clip(low=low, high=high)


def describe(treatment: Treatment, arrow_type: str) -> str:
    """Return the treatment as the end of a sentence about a column of that type: `shown ...`."""
    if not isinstance(treatment, Redact) and not has_meaning(treatment, arrow_type):
        what = "list, map or struct" if arrow_type.endswith(">") else "value of this type"
        return f"empty, because a {what} cannot be shown {treatment.label}"
    match treatment:
        case Generalize():
            return f"generalized to {_steps(treatment, arrow_type)}"
        case Partial():
            return f"in part, {PARTS.get(treatment.form, 'by its end')}"
        case Pseudonym() | Constant() | FormatPreserving():
            return f"as a {treatment.label}"
        case Noise() | ShiftDates():
            return f"{treatment.label}, equally for all values of one person"
        case _:
            return treatment.label


def _steps(treatment: Generalize, arrow_type: str) -> str:
    if "string" in arrow_type:
        return f"its first {treatment.prefix} characters"
    if arrow_type.startswith(("date", "timestamp")):
        return f"the {treatment.unit}"
    if treatment.edges:
        return "bands"
    fraction = treatment.grid and arrow_type in FLOATS
    return f"steps of {treatment.grid if fraction else max(treatment.width, math.ceil(treatment.grid or 0))}"
