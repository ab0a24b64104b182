"""`where`, bound to integer codes and evaluated with SQL's three-valued logic.

Every leaf of the algebra becomes one of three tests on codes (a range, a set, null), so evaluation has no literal to
convert and nothing that can raise. A row is certainly true, certainly false or neither, which is unknown, and only
certainly true rows are counted (ISO/IEC 9075-2, 6.39). Any function of one row alone is safe here: a predicate decides
which rows count and never how much one person weighs. How long it takes depends on the question, not on the rows.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from jupyter_secure.protocol import query as q
from jupyter_secure.protocol.errors import InvalidRequestError

from .domain import CategoryFacts, ColumnFacts, Facts, NumberFacts, OpenFacts, exact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .normalise import Normal


OPEN = "`persons` grouped by it alone tells the values that enough people share; `is_null` works too."


@dataclass(frozen=True, slots=True)
class Range:
    """Code from `lo` to `hi`, both included; empty where lo > hi."""

    col: str
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class Codes:
    """Code among these."""

    col: str
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Null:
    """No value."""

    col: str


@dataclass(frozen=True, slots=True)
class All:
    """Every part."""

    parts: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Inverse:
    """The opposite."""

    part: Test


Test = Range | Codes | Null | All | Inverse


def bind_predicate(node: q.Where, facts: Facts) -> Test:  # noqa: PLR0911 - one return for each node of a closed family
    """Return the test that a predicate stands for.

    Raises:
        InvalidRequestError: a column is unknown, or a literal does not suit its kind.
    """
    match node:
        case q.And():
            return All(tuple(bind_predicate(part, facts) for part in node.args))
        case q.Or():
            return Inverse(All(tuple(Inverse(bind_predicate(part, facts)) for part in node.args)))
        case q.Not():
            return Inverse(bind_predicate(node.arg, facts))
        case q.IsNull():
            return Null(find(node.col, facts).name)
        case q.Eq():
            return _among(node.col, (node.value,), facts)
        case q.Ne():
            return Inverse(_among(node.col, (node.value,), facts))
        case q.In():
            return _among(node.col, node.values, facts)
        case _:
            return _compare(node, facts)


def certainly(test: Test, columns: Mapping[str, Normal], wanted: bool = True) -> NDArray[np.bool_]:
    """Return where a test is certainly true, or certainly false if that is wanted."""
    match test:
        case All():
            # All of them are true, or one of them is false.
            join = operator.and_ if wanted else operator.or_
            found: NDArray[np.bool_] = functools.reduce(join, (certainly(part, columns, wanted) for part in test.parts))
            return found
        case Inverse():
            return certainly(test.part, columns, not wanted)
        case Null():
            null = columns[test.col].null
            return null if wanted else ~null
        case _:
            column = columns[test.col]
            hit = _hits(test, column)
            # A hit that is more than null: true, and not null. Comparing masks is one step instead of two.
            return hit > column.null if wanted else ~(hit | column.null)


def find(name: str, facts: Facts) -> ColumnFacts:
    """Return a column's facts.

    Raises:
        InvalidRequestError: the handle has no such column; the sentence lists those it has.
    """
    found = facts.columns.get(name)
    if found is None:
        known = ", ".join(f"`{each}`" for each in sorted(facts.columns)[:20])
        raise InvalidRequestError(f"The handle has no column `{name[:64]}`. It has: {known}.")
    return found


def number(name: str, facts: Facts, what: str) -> NumberFacts:
    """Return a number's facts.

    Raises:
        InvalidRequestError: it is a category; the sentence says what works.
    """
    found = find(name, facts)
    if isinstance(found, OpenFacts):
        raise InvalidRequestError(f"`{name}` has no public keys, so {what} does not fit it. {OPEN}")
    if not isinstance(found, NumberFacts):
        raise InvalidRequestError(
            f"`{name}` is a category, so {what} does not fit it. Use `eq`, `ne`, `in` or `group_by` with its keys."
        )
    return found


def _hits(test: Range | Codes, column: Normal) -> NDArray[np.bool_]:
    import numpy as np

    if isinstance(test, Range):
        from_lo, up_to_hi = column.within(test.lo, test.hi)
        if from_lo:
            return np.ones(len(column.codes), bool) if up_to_hi else column.codes <= test.hi
        hit: NDArray[np.bool_] = column.codes >= test.lo
        return hit if up_to_hi else hit & (column.codes <= test.hi)
    if len(test.codes) == 1:
        return np.asarray(column.codes == test.codes[0])
    return np.isin(column.codes, test.codes)


def _among(name: str, values: tuple[q.Literal, ...], facts: Facts) -> Test:
    column = find(name, facts)
    if isinstance(column, CategoryFacts):
        return Codes(name, tuple(_key(column, value) for value in values))
    if isinstance(column, OpenFacts):
        raise InvalidRequestError(f"`{name}` has no public keys to compare with. {OPEN}")
    if any(isinstance(value, str) for value in values):
        raise InvalidRequestError(f"`{name}` is a number; compare it with a number, not with a text.")
    codes = [exact(float(value)) / column.unit for value in values if not isinstance(value, str)]
    return Codes(name, tuple(int(code) for code in codes if code.denominator == 1 and column.lo <= code <= column.hi))


def _key(column: CategoryFacts, value: q.Literal) -> int:
    text = str(value)
    if text not in column.codes:
        known = ", ".join(f"`{key}`" for key in column.keys[:20])
        raise InvalidRequestError(f"`{text[:64]}` is not a public key of `{column.name}`. Its keys: {known}.")
    return column.codes[text]


def _compare(node: q.Lt | q.Le | q.Gt | q.Ge | q.Between, facts: Facts) -> Range:
    column = number(node.col, facts, "an order comparison")
    low, high = column.lo, column.hi
    match node:
        case q.Between():
            low, high = math.ceil(_code(node.lower, column)), math.floor(_code(node.upper, column))
        case q.Lt():
            high = math.ceil(_code(node.value, column)) - 1
        case q.Le():
            high = math.floor(_code(node.value, column))
        case q.Gt():
            low = math.floor(_code(node.value, column)) + 1
        case q.Ge():
            low = math.ceil(_code(node.value, column))
    # Beyond the bounds there are no codes; clamping keeps the comparison inside 64 bits.
    return Range(node.col, max(low, column.lo), min(high, column.hi))


def _code(value: float, column: NumberFacts) -> Fraction:
    return exact(value) / column.unit
