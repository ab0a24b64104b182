"""How many rows of a column lie below a code: by leaves of its tree, sorted only inside leaves that are asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .sensitivity import TreePart

Whole = NDArray[np.int64]


class Leaves:
    """The rows of a column, clipped to the tree's bounds; everything here is exact and stays in the worker."""

    def __init__(self, part: TreePart, values: Whole) -> None:
        self._part = part
        self._values = np.clip(values, part.lo, part.hi)
        self._leaf = (self._values - part.lo) // part.width
        self._before = np.append(0, np.cumsum(np.bincount(self._leaf, minlength=part.sizes[0])))
        self._sorted = np.zeros(part.sizes[0] + 1, dtype=bool)  # leaves whose rows are in `_rows`
        self._rows = self._values[:0]
        self.rows = int(self._before[-1])

    def below(self, codes: Whole) -> Whole:
        """Return how many rows lie below each code, which is at most one above the upper bound."""
        return self._count(codes, "left")

    def sides(self, codes: Whole) -> tuple[Whole, Whole]:
        """Return how many rows lie below and above each code."""
        return self.below(codes), self.rows - self._count(codes, "right")

    def borders(self, number: int) -> tuple[Whole, Whole, Whole]:
        """Return some first codes of leaves all over the column, and the rows below and not below them."""
        place = np.arange(0, self._part.sizes[0], -(-self._part.sizes[0] // number))
        below = self._before[place]
        return self._part.lo + place * self._part.width, below, self.rows - below

    def _count(self, codes: Whole, side: str) -> Whole:
        leaf = (codes - self._part.lo) // self._part.width
        inside = (codes > self._part.lo + leaf * self._part.width) | (side == "right")
        self._sort(leaf[inside])
        first = self._before[leaf]
        start = np.searchsorted(self._rows, self._part.lo + leaf * self._part.width)
        within = np.searchsorted(self._rows, codes, "left" if side == "left" else "right") - start
        return first + np.where(inside, within, 0)

    def _sort(self, leaf: Whole) -> None:
        if self._sorted[leaf].all():
            return
        self._sorted[leaf] = True
        self._rows = np.sort(self._values[self._sorted[self._leaf]])
