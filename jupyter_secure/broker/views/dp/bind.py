"""A question against the public facts: everything that can be refused is refused here, before any data and any charge.

Promises: a bound question names existing columns of fitting kinds, at most 10,000 groups, bounds inside the policy's
and a positive budget for every part; after it nothing depends on what the person wrote but integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError
from jupyter_secure.protocol.query import Asked, Count, Histogram, Mean, Number, Question, Sum
from jupyter_secure.protocol.queryread import predicates

from .domain import Facts, NumberFacts, exact
from .group import Slots, bind_keys
from .predicate import Test, bind_predicate, find, number
from .sensitivity import CountPart, Part, SumPart


@dataclass(frozen=True, slots=True)
class BoundAggregate:
    """One column of the answer.

    Attributes:
        parts: what is released for it; a mean is a centred sum and a count.
        column: the number's facts; None for a count.
    """

    name: str
    parts: tuple[Part, ...]
    column: NumberFacts | None = None

    @property
    def is_mean(self) -> bool:
        """Say whether the value is a ratio of the two parts."""
        return len(self.parts) == 2


@dataclass(frozen=True, slots=True)
class Bound:
    """A question that cannot be refused any more.

    Attributes:
        columns: all columns it looks at.
        units: budget of each part, in 1e-9 rho.
    """

    test: Test | None
    slots: tuple[Slots, ...]
    aggregates: tuple[BoundAggregate, ...]
    columns: frozenset[str]
    k: int
    units: int

    @property
    def groups(self) -> int:
        """Return the number of groups."""
        return math.prod(each.size for each in self.slots)


def bind(question: Question, facts: Facts, units: int) -> Bound:
    """Return the bound question; `units` is the whole budget in 1e-9 rho, split evenly over the parts.

    Raises:
        InvalidRequestError: the question does not fit the columns.
        BudgetError: the budget is too small to split.
    """
    aggregates = tuple(_aggregate(asked, facts) for asked in question.aggs)
    parts = sum(len(each.parts) for each in aggregates)
    if units < parts:
        raise BudgetError("The budget offered is too small to split over the question's parts. Offer a larger epsilon.")
    return Bound(
        test=None if question.where is None else bind_predicate(question.where, facts),
        slots=bind_keys(question.group_by, facts),
        aggregates=aggregates,
        columns=asked_columns(question),
        k=facts.k,
        units=units // parts,
    )


def asked_columns(question: Question) -> frozenset[str]:
    """Return the names of all columns that a question looks at."""
    named = {node.col for node in predicates(question.where) if hasattr(node, "col")}
    named |= {key.col for key in question.group_by}
    return frozenset(named | {asked.col for asked in question.aggs if asked.col is not None})


def _aggregate(asked: Asked, facts: Facts) -> BoundAggregate:
    assert not isinstance(asked, Histogram)  # written as a grouped count when the question was read
    name = str(asked.name)
    if isinstance(asked, Count):
        if asked.col is not None:
            find(asked.col, facts)
        return BoundAggregate(name, (CountPart(asked.col),))
    column = number(asked.col, facts, f"`{type(asked).__name__.lower()}`")
    lo, hi = _bounds(asked, column)
    if isinstance(asked, Mean):
        middle = (lo + hi) // 2
        return BoundAggregate(name, (SumPart(asked.col, lo, hi, middle), CountPart(asked.col)), column)
    return BoundAggregate(name, (SumPart(asked.col, lo, hi),), column)


def _bounds(asked: Sum | Mean, column: NumberFacts) -> tuple[int, int]:
    # A question can only narrow: whatever it says is cut down to the policy's bounds, for which no sum can overflow.
    lo = max(column.lo, _code(asked.lower, column, math.ceil, column.lo))
    hi = min(column.hi, _code(asked.upper, column, math.floor, column.hi))
    if lo > hi:
        low, high = float(column.lo * column.unit), float(column.hi * column.unit)
        raise InvalidRequestError(
            f"`lower` and `upper` of `{asked.col}` leave nothing of its bounds, which are {low:g} to {high:g}."
        )
    return lo, hi


def _code(value: Number | None, column: NumberFacts, whole: Callable[[Fraction], int], default: int) -> int:
    if value is None:
        return default
    return whole(exact(float(value)) / column.unit)
