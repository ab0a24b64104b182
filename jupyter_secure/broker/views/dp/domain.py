"""The public facts of a domain as integers, so that everything after this module is exact.

Promises: bounds are whole multiples of the resolution inside the policy's bounds; no sum of `max_rows` values can leave
the 62 bits that an exact sum needs ("Widespread Underestimation of Sensitivity", Casacuberta et al. 2022).
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from msgspec.structs import replace

from jupyter_secure.protocol.dataset import Measure
from jupyter_secure.protocol.dpdomain import (
    CategoryDomain,
    ColumnDomain,
    DateDomain,
    DpDomain,
    NumberDomain,
    OpenDomain,
)
from jupyter_secure.protocol.errors import PolicyError
from jupyter_secure.protocol.messages import DpColumn
from jupyter_secure.protocol.query import LIMIT

SUM_LIMIT = 2**62
EPOCH = dt.date(1970, 1, 1)
FIRST_DAY, LAST_DAY = (dt.date.min - EPOCH).days, (dt.date.max - EPOCH).days


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """A number column: codes `lo..hi`, each standing for `code * unit`.

    Attributes:
        zone: of a date, whose numbers are days; None for any other number.
    """

    name: str
    lo: int
    hi: int
    unit: Fraction
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class CategoryFacts:
    """A category column: code i stands for `keys[i]`, -1 for every other value."""

    name: str
    keys: tuple[str, ...]
    codes: dict[str, int]


@dataclass(frozen=True, slots=True)
class OpenFacts:
    """A column without public keys; a lifetime of releases of its values may fail by `delta`."""

    name: str
    delta: Fraction


ColumnFacts = NumberFacts | CategoryFacts | OpenFacts


@dataclass(frozen=True, slots=True)
class Facts:
    """All columns of a domain, with what bounds a person's influence.

    Attributes:
        k: rows of one person that are used, at most.
        max_rows: public ceiling on the number of rows.
        measure: in which answers are paid for.
    """

    k: int
    max_rows: int
    columns: dict[str, ColumnFacts]
    measure: Measure = "zcdp"


def exact(value: float) -> Fraction:
    """Return what a person means by a decimal number: 0.1 is a tenth, not the binary number nearest to it."""
    return Fraction(repr(value))


@functools.lru_cache(maxsize=16)
def facts(domain: DpDomain) -> Facts:
    """Return the integer facts.

    Raises:
        PolicyError: bounds, resolution or keys make no sound domain; the sentence names the column.
    """
    columns: dict[str, ColumnFacts] = {}
    for column in domain.columns:
        found = _column(column, domain.max_rows)
        if columns.setdefault(column.name, found) is not found:
            raise PolicyError(f"Column `{column.name}` is described twice.")
    return Facts(k=domain.contributions, max_rows=domain.max_rows, columns=columns, measure=domain.measure or "zcdp")


def describe(domain: DpDomain, types: Mapping[str, str]) -> tuple[DpColumn, ...]:
    """Return what a handle shows of each column, with its Arrow type."""
    return tuple(replace(_described(column), type=types[column.name]) for column in domain.columns)


def _described(column: ColumnDomain) -> DpColumn:
    if isinstance(column, NumberDomain):
        kind: Literal["date", "number"] = "date" if isinstance(column, DateDomain) else "number"
        return DpColumn(
            name=column.name, kind=kind, lower=column.lower, upper=column.upper, resolution=column.resolution
        )
    if isinstance(column, OpenDomain):
        return DpColumn(name=column.name, kind="open")
    return DpColumn(name=column.name, kind="category", keys=column.keys)


def _column(column: ColumnDomain, max_rows: int) -> ColumnFacts:
    if isinstance(column, NumberDomain):
        return _number(column, max_rows)
    return OpenFacts(column.name, Fraction(column.delta)) if isinstance(column, OpenDomain) else _category(column)


def _number(column: NumberDomain, max_rows: int) -> NumberFacts:
    if not all(map(math.isfinite, (column.lower, column.upper, column.resolution))):
        raise PolicyError(f"The bounds of `{column.name}` are not finite.")
    unit = exact(column.resolution)
    lo, hi = math.ceil(exact(column.lower) / unit), math.floor(exact(column.upper) / unit)
    if lo > hi:
        raise PolicyError(f"The bounds of `{column.name}` hold no multiple of its resolution.")
    # The width counts as well as the ends, because a mean sums distances from the middle.
    largest = max(abs(lo), abs(hi), hi - lo)
    if largest >= LIMIT or largest * max_rows >= SUM_LIMIT:
        raise PolicyError(
            f"The bounds of `{column.name}` are too wide for its resolution: a sum could overflow. "
            "Narrow the bounds or use a coarser resolution."
        )
    zone = column.zone if isinstance(column, DateDomain) else None
    if zone is not None and not (lo * unit >= FIRST_DAY and hi * unit <= LAST_DAY and unit.denominator == 1):
        raise PolicyError(f"The bounds of `{column.name}` are no dates of the years 1 to 9999 in whole days.")
    return NumberFacts(name=column.name, lo=lo, hi=hi, unit=unit, zone=zone)


def _category(column: CategoryDomain) -> CategoryFacts:
    codes = {key: code for code, key in enumerate(column.keys)}
    if len(codes) != len(column.keys):
        raise PolicyError(f"The public keys of `{column.name}` repeat.")
    return CategoryFacts(name=column.name, keys=column.keys, codes=codes)
