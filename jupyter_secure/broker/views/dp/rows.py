"""How many rows of a column lie below a code: by narrow leaves, sorted only inside those that are asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .sensitivity import TreePart

Whole = NDArray[np.int64]
NARROW = 32  # so many leaves in one of the tree's


class Leaves:
    """The rows of a column, clipped to the tree's bounds; everything here is exact and stays in the worker.

    Attributes:
        width: codes of a leaf; counting at its first code sorts nothing.
        number: of leaves.
        rows: all of them.
    """

    def __init__(self, part: TreePart, values: Whole, used: NDArray[np.bool_], *, within: bool = False) -> None:
        """Count the used rows; `within` says that policy keeps all values between the tree's bounds.

        The others lie in a leaf of their own behind the last one, so that counting takes as long whichever are used.
        """
        self._lo, self._hi = part.lo, part.hi
        self.width = max(part.width // NARROW, 1)
        self.number = -(-(part.hi - part.lo + 1) // self.width)
        self._values = values if within else np.clip(values, part.lo, part.hi)
        self._leaf = (self._values - part.lo) // self.width
        np.putmask(self._leaf, ~used, self.number)
        self._before = np.append(0, np.cumsum(np.bincount(self._leaf, minlength=self.number + 1)[:-1]))
        self._sorted = np.zeros(self.number + 1, dtype=bool)  # leaves whose rows are in `_rows`
        self._rows = self._values[:0]
        self.rows = int(self._before[-1])

    def below(self, codes: Whole) -> Whole:
        """Return how many rows lie below each code, which is at most one above the upper bound."""
        leaf = np.where(codes > self._hi, self.number, (codes - self._lo) // self.width)
        start = self._lo + leaf * self.width
        inside = codes > start
        self._sort(leaf[inside])
        within = np.searchsorted(self._rows, codes) - np.searchsorted(self._rows, start)
        return self._before[leaf] + np.where(inside, within, 0)

    def sides(self, codes: Whole) -> tuple[Whole, Whole]:
        """Return how many rows lie below and above each code of the column."""
        below, with_it = np.split(self.below(np.concatenate([codes, codes + 1])), 2)
        return below, self.rows - with_it

    def borders(self, number: int) -> Whole:
        """Return first codes of leaves all over the column, at most so many."""
        return self._lo + np.arange(0, self.number, -(-self.number // number)) * self.width

    def _sort(self, leaf: Whole) -> None:
        if self._sorted[leaf].all():
            return
        self._sorted[leaf] = True
        self._rows = np.sort(self._values[self._sorted[self._leaf]])
