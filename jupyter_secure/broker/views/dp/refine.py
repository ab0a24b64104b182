"""The quantiles of one whole column, closer than a leaf of the tree: looks at where they lie, then one choice for each.

Steps: (1) a sixteenth of the budget pays for three looks: counts of coarse cells, then of the pieces of those cells in
which a quantile may lie, and again; (2) candidates are laid there, close to one another by released rank, with round
numbers, and thinly over the rest; (3) OpenDP's noisy maximum picks the candidate that the fewest rows are on the wrong
side of (Smith 2011), with an equal share of the rest for each quantile. Cells and candidates depend on released numbers
and public facts only, so the costs add up (Bun and Steinke 2016, lemma 2.3). Quantiles of groups are read off the tree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_secure.protocol.query import Quantile

from .bind import Bound
from .choice import choice_scale, noisy_max
from .release import ALPHA, Noise, Price, noise_for, release
from .rows import Leaves
from .sensitivity import CountPart, Part, Sensitivity, TreePart, sensitivity

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]
LOOK = 16  # all looks share one of so many parts of the budget
LOOKS, CELLS, PIECES = 3, 64, 16
MOST = 4  # cells that a look takes apart for each quantile; where more may hold it, they are fine enough already
# Candidates by rank around the place, by value around it, among them the roundest, and everywhere.
FINE, NEAR, ROUND, FAR = 128, 64, 64, 64
PARTS = 10**6  # of a share q


@dataclass(frozen=True, slots=True)
class Refinement:
    """How a tree's budget is spent instead.

    Attributes:
        part: the tree that it takes the place of.
        shares: the quantiles that are picked.
        look: price of each look.
        each: price of each choice.
    """

    part: TreePart
    shares: tuple[float, ...]
    look: Price
    each: Price
    k: int

    @property
    def reach(self) -> Sensitivity:
        """Return the sensitivity of a look: its cells share no row."""
        return sensitivity(CountPart(), self.k)

    def noise(self) -> Noise:
        """Return the noise of a look."""
        return noise_for(self.reach, self.look)

    def seen(self, q: float) -> float:
        """Return how many rows a looked-at rank is wrong by, at most, with 95 %."""
        return self.noise().margin_of_sum(CELLS * max(q, 1 - q) ** 2 + (LOOKS - 1) * PIECES)

    def off(self, q: float) -> float:
        """Return how many rows a picked quantile is wrong by, at most, with 95 %, where candidates lie close."""
        scale = choice_scale(self.k * max(_odds(q)), self.each) / PARTS
        return scale * math.log((FINE + NEAR + ROUND + FAR + 1) / ALPHA) + 2 * self.seen(q) / FINE


def refinement(part: Part, bound: Bound) -> Refinement | None:
    """Return how the budget of a part is spent, or None where the part is released at once."""
    if not isinstance(part, TreePart) or part.width == 1 or bound.slots:
        return None
    shares = tuple(
        dict.fromkeys(each.q for each in bound.aggregates if each.kind is Quantile and each.parts[0] == part)
    )
    look = bound.price.part(LOOK * LOOKS)
    each = Price(bound.price.units - look.units * LOOKS, look.measure).part(len(shares))
    return Refinement(part, shares, look, each, bound.k) if min(look.units, each.units) > 0 else None


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


def refined(plan: Refinement, values: Whole) -> dict[float, tuple[float, float]]:
    """Return value and margin, in codes, of each share."""
    part, leaves = plan.part, Leaves(plan.part, values)
    seen = look(plan, leaves)
    found = {}
    for q, code in pick(plan, leaves, seen).items():
        low, high = seen.around(q, plan.seen(q) + plan.off(q))
        margin = float(max(code - low, min(high, part.hi) - code, 0))
        empty = seen.below[-1] <= 0
        found[q] = ((part.lo + part.hi) / 2, (part.hi - part.lo) / 2) if empty else (float(code), margin)
    return found


def look(plan: Refinement, leaves: Leaves) -> Seen:
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


def _released(plan: Refinement, exact: Whole) -> Whole:
    return np.array(release(exact.tolist(), plan.noise(), plan.reach, plan.look), dtype=np.int64)


def _places(plan: Refinement, seen: Seen) -> list[int]:
    """Return the cells in which a quantile may lie and that hold more than one code."""
    wanted: set[int] = set()
    for q in plan.shares:
        low, high = seen.around(q, plan.seen(q))
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


def pick(plan: Refinement, leaves: Leaves, seen: Seen) -> dict[float, int]:
    """Return the code that is picked for each share."""
    far = leaves.borders(FAR)
    laid = [_candidates(plan, seen, q, leaves.width) for q in plan.shares]
    ends = np.cumsum([len(exact) for exact, _ in laid])[:-1]
    sides = [np.split(side, ends) for side in leaves.sides(np.concatenate([exact for exact, _ in laid]))]
    picked = {}
    for q, (exact, thin), lower, upper in zip(plan.shares, laid, *sides, strict=True):
        starts = np.concatenate([thin, far])
        below = leaves.below(starts)  # rows at such a code count as above it, which saves sorting them
        sums = np.concatenate([lower, below]), np.concatenate([upper, leaves.rows - below])
        best = noisy_max(plan.k * max(_odds(q)), plan.each)(scored(q, *sums, leaves.rows).tolist())
        picked[q] = int(np.concatenate([exact, starts])[int(best)])
    return picked


def scored(q: float, below: Whole, above: Whole, rows: int) -> Whole:
    """Return how good candidates are, in millionths of a row.

    A candidate is wrong by the rows below it that are too many, or by those above it that are; among equal rows that
    hold the quantile it is right. One row more or less moves both by at most the larger of q and 1 - q.
    """
    down, up = _odds(q)
    high, low = down * below - up * (rows - below), up * above - down * (rows - above)
    wrong: Whole = np.maximum(np.maximum(high, low), 0)
    return -wrong


def _odds(q: float) -> tuple[int, int]:
    share = min(max(round(q * PARTS), 1), PARTS - 1)
    return PARTS - share, share


def _candidates(plan: Refinement, seen: Seen, q: float, width: int) -> tuple[Whole, Whole]:
    """Return codes whose equal rows are counted too, and first codes of leaves where the place is many leaves wide."""
    lo, hi = plan.part.lo, plan.part.hi
    rank, off = q * max(float(seen.below[-1]), 0.0), plan.seen(q)
    fine: Floats = np.interp(np.linspace(rank - off, rank + off, FINE), seen.below, seen.codes)
    low, high = seen.around(q, off)
    spread = np.clip(np.rint(np.append(fine, np.linspace(low, high, NEAR))), lo, hi).astype(np.int64)
    exact = np.clip(np.array(_round_numbers(low, high), dtype=np.int64), lo, hi)
    if high - low > NEAR * width:
        return np.unique(exact), np.unique(spread - (spread - lo) % width)
    return np.unique(np.append(exact, spread)), exact[:0]


def _round_numbers(low: int, high: int) -> range:
    """Return the multiples of the least power of ten that make at most `ROUND`: people state incomes in hundreds."""
    step = 1
    while high // step - -(-low // step) >= ROUND:
        step *= 10
    return range(-(-low // step) * step, high + 1, step)
