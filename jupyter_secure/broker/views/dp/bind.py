"""A question against the public facts: everything that can be refused is refused here, before any data and any charge.

Promises: a bound question names existing columns of fitting kinds, at most 100,001 groups, bounds inside the policy's
and a positive budget for every part; after it nothing depends on what the person wrote but integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError
from jupyter_secure.protocol.query import (
    Asked,
    Bounded,
    Correlation,
    Count,
    Covariance,
    Histogram,
    Mean,
    Number,
    Persons,
    Quantile,
    Question,
    Sum,
)
from jupyter_secure.protocol.queryread import predicates

from .domain import SUM_LIMIT, Facts, NumberFacts, exact
from .group import Slots, bind_keys
from .opened import Opened, bind_open
from .predicate import Test, bind_predicate, find, number
from .release import Price
from .sensitivity import CountPart, Part, PersonsPart, ProductPart, SquarePart, SumPart, TreePart
from .tree import MOST_NODES, plant

MOST_NUMBERS = 250_000  # in one answer


@dataclass(frozen=True, slots=True)
class BoundAggregate:
    """One column of the answer.

    Attributes:
        kind: the aggregate that was asked for.
        parts: what is released for it; a mean is a centred sum and a count.
        column: the number's facts; None for a count.
        q: of a quantile.
        other_unit: of the second column, where there are two.
    """

    name: str
    kind: type[Asked]
    parts: tuple[Part, ...]
    column: NumberFacts | None = None
    q: float = 0.0
    other_unit: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Bound:
    """A question that cannot be refused any more.

    Attributes:
        columns: all columns it looks at.
        price: of each part. A part that several aggregates need is released once.
        opened: the one key, where its values are not public.
    """

    test: Test | None
    slots: tuple[Slots, ...]
    aggregates: tuple[BoundAggregate, ...]
    columns: frozenset[str]
    k: int
    price: Price
    opened: Opened | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return what is released."""
        return tuple(dict.fromkeys(part for each in self.aggregates for part in each.parts))

    @property
    def groups(self) -> int:
        """Return the number of groups."""
        return math.prod(each.size for each in self.slots)


def bind(question: Question, facts: Facts, units: int) -> Bound:
    """Return the bound question; `units` is the whole budget, split evenly over the parts.

    Raises:
        InvalidRequestError: the question does not fit the columns.
        BudgetError: the budget is too small to split.
    """
    aggregates = tuple(_aggregate(asked, facts) for asked in question.aggs)
    opened = bind_open(question, facts, units)
    slots = () if opened else bind_keys(question.group_by, facts)
    parts = {part for each in aggregates for part in each.parts}
    _check_size(parts, math.prod(each.size for each in slots))
    if units < len(parts):
        raise BudgetError("The budget offered is too small to split over the question's parts. Offer a larger epsilon.")
    return Bound(
        test=None if question.where is None else bind_predicate(question.where, facts),
        slots=slots,
        aggregates=aggregates,
        columns=asked_columns(question),
        k=facts.k,
        price=Price(units, facts.measure).part(len(parts)),
        opened=opened,
    )


def asked_columns(question: Question) -> frozenset[str]:
    """Return the names of all columns that a question looks at."""
    named = {node.col for node in predicates(question.where) if hasattr(node, "col")}
    named |= {key.col for key in question.group_by}
    counted = (asked.col for asked in question.aggs if not isinstance(asked, Persons))
    named |= {asked.other for asked in question.aggs if isinstance(asked, Covariance | Correlation)}
    return frozenset(named | {col for col in counted if col is not None})


def _aggregate(asked: Asked, facts: Facts) -> BoundAggregate:
    assert not isinstance(asked, Histogram)  # written as a grouped count when the question was read
    name, kind = str(asked.name), type(asked)
    if isinstance(asked, Persons):
        return BoundAggregate(name, kind, (PersonsPart(),))
    if isinstance(asked, Count):
        if asked.col is not None:
            find(asked.col, facts)
        return BoundAggregate(name, kind, (CountPart(asked.col),))
    if isinstance(asked, Covariance | Correlation):
        one, two = (number(col, facts, f"`{kind.__name__.lower()}`") for col in (asked.col, asked.other))
        return BoundAggregate(name, kind, _joint(asked, facts), one, other_unit=two.unit)
    column = number(asked.col, facts, f"`{kind.__name__.lower()}`")
    lo, hi = _bounds(asked, column)
    if isinstance(asked, Quantile):
        return BoundAggregate(name, kind, (plant(asked.col, lo, hi),), column, asked.q)
    if isinstance(asked, Sum):
        return BoundAggregate(name, kind, (SumPart(asked.col, lo, hi),), column)
    middle = (lo + hi) // 2
    parts: tuple[Part, ...] = (SumPart(asked.col, lo, hi, middle), CountPart(asked.col))
    if not isinstance(asked, Mean):
        parts = (*parts, SquarePart(asked.col, lo, hi, middle, _shift(hi - lo, facts.max_rows)))
    return BoundAggregate(name, kind, parts, column)


def _joint(asked: Covariance | Correlation, facts: Facts) -> tuple[Part, ...]:
    """Return product, count and both sums over rows where both have a value; for a correlation both squares too."""
    ends = (asked.col, asked.other), (asked.other, asked.col)
    if asked.col == asked.other:
        raise InvalidRequestError(f"`{asked.col}` varies with itself: ask for its `variance`.")
    columns = [number(col, facts, "this") for col, _ in ends]
    squares = [
        SquarePart(col, each.lo, each.hi, (each.lo + each.hi) // 2, _shift(each.hi - each.lo, facts.max_rows), beside)
        for (col, beside), each in zip(ends, columns, strict=True)
    ]
    sums = [SumPart(each.col, each.lo, each.hi, each.centre, each.beside) for each in squares]
    parts: tuple[Part, ...] = (ProductPart(squares[0], squares[1]), CountPart(asked.col, asked.other), *sums)
    return (*parts, *squares) if isinstance(asked, Correlation) else parts


def _shift(span: int, max_rows: int) -> int:
    """Return how many bits squares leave out, so that no sum of `max_rows` of them can overflow."""
    shift = 0
    while ((span >> shift) + 2) ** 2 * max_rows >= SUM_LIMIT:
        shift += 1
    return shift


def _check_size(parts: set[Part], groups: int) -> None:
    # Each number costs a draw of noise, so their number bounds the time.
    if len(parts) * groups > MOST_NUMBERS:
        raise InvalidRequestError("So many numbers for so many groups are not answered at once. Ask for fewer of them.")
    nodes = max((sum(part.sizes) * groups for part in parts if isinstance(part, TreePart)), default=0)
    if nodes > MOST_NODES:
        raise InvalidRequestError("Quantiles of so many groups are not answered at once. Use fewer groups.")


def _bounds(asked: Bounded, column: NumberFacts) -> tuple[int, int]:
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
