"""Parts: the exact integer vectors that leave with noise, and how far one person can move each of them.

Neighbours differ by all rows of one person, of which at most k are used; each such row touches one group, so the L1 and
the L2 distance of a whole vector are bounded by k times the most that one row adds. Brute force over neighbours in
tests/properties checks every line of `sensitivity`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CountPart:
    """Rows; with `col`, rows that have a value there, and with `beside` there too."""

    col: str | None = None
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class SumPart:
    """Sum of codes clipped to `lo..hi`, each less `centre`; with `beside`, of rows that have a value there too."""

    col: str
    lo: int
    hi: int
    centre: int = 0
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class SquarePart:
    """Sum of the squares of codes clipped to `lo..hi`, each less `centre`, in steps of `2 ** shift` codes."""

    col: str
    lo: int
    hi: int
    centre: int
    shift: int
    beside: str | None = None

    @property
    def largest(self) -> int:
        """Return how far a value lies from the centre at most, in steps."""
        return (max(abs(self.lo - self.centre), abs(self.hi - self.centre)) >> self.shift) + 1


@dataclass(frozen=True, slots=True)
class ProductPart:
    """Sum of the products of two columns, each as in `SquarePart`, over rows where both have a value."""

    one: SquarePart
    two: SquarePart

    @property
    def col(self) -> str:
        """Return the first column."""
        return self.one.col

    @property
    def beside(self) -> str:
        """Return the second column."""
        return self.two.col


@dataclass(frozen=True, slots=True)
class TreePart:
    """Rows by leaves of a tree over `lo..hi` and by the nodes above them.

    Attributes:
        width: codes of one leaf.
        sizes: nodes of each level, leaves first.
    """

    col: str
    lo: int
    hi: int
    width: int
    sizes: tuple[int, ...]
    beside: None = None


@dataclass(frozen=True, slots=True)
class PersonsPart:
    """Distinct persons."""

    col: None = None
    beside: None = None


Part = CountPart | SumPart | SquarePart | ProductPart | TreePart | PersonsPart


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How far one person moves a vector of integers at most, as the sum of the moves and as the root of their squares.

    Both are at least 1, so that no constant is ever released without noise.
    """

    l1: int
    l2: int


def sensitivity(part: Part, k: int) -> Sensitivity:
    """Return the sensitivity of a part, in codes."""
    if isinstance(part, PersonsPart):
        return Sensitivity(k, _root(k))  # 1 in each of at most k groups
    if isinstance(part, TreePart):
        levels = len(part.sizes)
        return Sensitivity(k * levels, _root(k * k * levels))  # each row counts once on every level
    most = k * _most(part)
    return Sensitivity(most, most)  # all k rows may be in one place, which is the worst


def of_rows(l1: int, square: int, k: int) -> Sensitivity:
    """Return the sensitivity where each of k rows adds at most `l1`, and at most `square` as a sum of squares."""
    return Sensitivity(k * l1, _root(k * k * square))


def _most(part: CountPart | SumPart | SquarePart | ProductPart) -> int:
    """Return what one row adds at most."""
    if isinstance(part, SquarePart):
        return part.largest**2
    if isinstance(part, ProductPart):
        return part.one.largest * part.two.largest
    if isinstance(part, SumPart):
        return max(abs(part.lo - part.centre), abs(part.hi - part.centre), 1)
    return 1


def _root(square: int) -> int:
    return math.isqrt(square - 1) + 1
