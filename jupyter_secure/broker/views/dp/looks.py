"""Looks at where the quantiles of a whole column lie: noisy counts of coarse cells, then of pieces of some of them.

Which cells are taken apart depends on what was released before, so the costs of the looks add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .release import Noise, Price, noise_for, release
from .rows import Leaves
from .sensitivity import CountPart, Sensitivity, TreePart, sensitivity

Whole = NDArray[np.int64]
LOOKS, CELLS, PIECES = 3, 16, 16
MOST = 4  # cells that a look takes apart for each quantile; where more may hold it, they are fine enough already


@dataclass(frozen=True, slots=True)
class Looks:
    """What is looked for.

    Attributes:
        part: the tree over the column's bounds.
        shares: the quantiles.
        price: of each look.
    """

    part: TreePart
    shares: tuple[float, ...]
    price: Price
    k: int

    @property
    def reach(self) -> Sensitivity:
        """Return the sensitivity of a look: its cells share no row."""
        return sensitivity(CountPart(), self.k)

    def noise(self) -> Noise:
        """Return the noise of a look."""
        return noise_for(self.reach, self.price)

    def off(self, q: float) -> float:
        """Return how many rows a looked-at rank is wrong by, at most, with 95 %."""
        return self.noise().margin_of_sum(CELLS * max(q, 1 - q) ** 2 + (LOOKS - 1) * PIECES)


@dataclass(frozen=True, slots=True)
class Seen:
    """What looks released: codes in rising order and about how many rows lie below each, never falling."""

    codes: Whole
    below: Whole

    def around(self, q: float, off: float) -> tuple[int, int]:
        """Return codes between which a quantile lies, if ranks are wrong by `off` rows at most."""
        rank = q * max(float(self.below[-1]), 0.0)
        first = int(np.searchsorted(self.below, rank - off, "right")) - 1
        last = int(np.searchsorted(self.below, rank + off, "left"))
        return int(self.codes[max(first, 0)]), int(self.codes[min(last, len(self.codes) - 1)])


def look(plan: Looks, leaves: Leaves) -> Seen:
    """Return what the looks see; each is one release."""
    codes = np.append(leaves.borders(CELLS), plan.part.hi + 1)
    seen = Seen(codes, np.maximum.accumulate(np.append(0, np.cumsum(_released(plan, np.diff(leaves.below(codes)))))))
    for _ in range(LOOKS - 1):
        pieces = [_pieces(seen, place, leaves.width) for place in _places(plan, seen)]
        if pieces:
            below = np.split(leaves.below(np.concatenate(pieces)), np.cumsum(list(map(len, pieces)))[:-1])
            exact = [np.diff(each) for each in below]
            noisy = _released(plan, np.concatenate(exact))
            seen = _finer(seen, pieces, np.split(noisy, np.cumsum(list(map(len, exact)))[:-1]))
    return seen


def _released(plan: Looks, exact: Whole) -> Whole:
    return release(exact, plan.noise(), plan.reach, plan.price)


def _places(plan: Looks, seen: Seen) -> list[int]:
    """Return the cells in which a quantile may lie and that hold more than one code."""
    wanted: set[int] = set()
    for q in plan.shares:
        low, high = seen.around(q, plan.off(q))
        first, last = np.searchsorted(seen.codes, [low, high])
        wanted |= set(range(int(first), int(last)))
    wide = [place for place in sorted(wanted) if seen.codes[place + 1] - seen.codes[place] > 1]
    return wide if len(wide) <= MOST * len(plan.shares) else []


def _pieces(seen: Seen, place: int, width: int) -> Whole:
    first, last = int(seen.codes[place]), int(seen.codes[place + 1])
    step = -(-(last - first) // PIECES)
    if step > width:
        step = -(-step // width) * width  # whole leaves, which are counted already
    return np.append(np.arange(first, last, step), last)


def _finer(seen: Seen, pieces: list[Whole], counts: list[Whole]) -> Seen:
    codes, below = [seen.codes], [seen.below]
    for cut, some in zip(pieces, counts, strict=True):
        start = seen.below[np.searchsorted(seen.codes, cut[0])]
        codes.append(cut[1:-1])
        below.append(start + np.cumsum(some)[:-1])
    order = np.argsort(np.concatenate(codes), kind="stable")
    return Seen(np.concatenate(codes)[order], np.maximum.accumulate(np.concatenate(below)[order]))
