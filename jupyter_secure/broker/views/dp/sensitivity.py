"""Parts: the exact integer vectors that leave with noise, and how far one person can move each of them.

Neighbours differ by all rows of one person, of which at most k are used; each such row touches one group, so the L2
distance of a whole vector is bounded by k times the most that one row adds. Brute force over neighbours in
tests/properties checks every line of `l2`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CountPart:
    """Rows; with `col`, rows that have a value there."""

    col: str | None = None


@dataclass(frozen=True, slots=True)
class SumPart:
    """Sum of codes clipped to `lo..hi`, each less `centre`."""

    col: str
    lo: int
    hi: int
    centre: int = 0


Part = CountPart | SumPart


def l2(part: Part, k: int) -> int:
    """Return the L2 sensitivity, in codes. At least 1, so that no constant is ever released without noise."""
    if isinstance(part, CountPart):
        return k
    return k * max(abs(part.lo - part.centre), abs(part.hi - part.centre), 1)
