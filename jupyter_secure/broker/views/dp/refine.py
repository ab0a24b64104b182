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
from .release import ALPHA, Noise, gaussian, release
from .rows import Leaves
from .sensitivity import CountPart, Part, TreePart, l2
from .tree import Z95

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]
LOOK = 16  # all looks share one of so many parts of the budget
LOOKS, CELLS, PIECES = 3, 64, 16
MOST = 32  # cells that a look takes apart; where more may hold a quantile, rows are too few for a closer look
# Candidates by rank around the place, by value around it, among them the roundest, and everywhere.
FINE, NEAR, ROUND, FAR = 128, 64, 64, 64
PARTS = 10**6  # of a share q


@dataclass(frozen=True, slots=True)
class Refinement:
    """How a tree's budget is spent instead.

    Attributes:
        part: the tree that it takes the place of.
        shares: the quantiles that are picked.
        look: units of each look.
        each: units of each choice.
    """

    part: TreePart
    shares: tuple[float, ...]
    look: int
    each: int
    k: int

    def noise(self) -> Noise:
        """Return the noise of a look: its cells share no row."""
        return gaussian(l2(CountPart(), self.k), self.look)

    def seen(self, q: float) -> float:
        """Return how many rows a looked-at rank is wrong by, at most, with 95 %."""
        return Z95 * self.noise().scale * math.sqrt(CELLS * max(q, 1 - q) ** 2 + (LOOKS - 1) * PIECES)

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
    look = bound.units // (LOOK * LOOKS)
    each = (bound.units - look * LOOKS) // len(shares)
    return Refinement(part, shares, look, each, bound.k) if min(look, each) > 0 else None


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
    part = plan.part
    step = -(-part.sizes[0] // CELLS)
    codes = np.append(part.lo + np.arange(0, part.sizes[0], step) * part.width, part.hi + 1)
    seen = Seen(codes, np.maximum.accumulate(np.append(0, np.cumsum(_released(plan, np.diff(leaves.below(codes)))))))
    for _ in range(LOOKS - 1):
        pieces = [_pieces(seen, place) for place in _places(plan, seen)]
        if pieces:
            below = np.split(leaves.below(np.concatenate(pieces)), np.cumsum(list(map(len, pieces)))[:-1])
            exact = [np.diff(each) for each in below]
            noisy = _released(plan, np.concatenate(exact))
            seen = _finer(seen, pieces, np.split(noisy, np.cumsum(list(map(len, exact)))[:-1]))
    return seen


def _released(plan: Refinement, exact: Whole) -> Whole:
    return np.array(release(exact.tolist(), plan.noise(), l2(CountPart(), plan.k), plan.look), dtype=np.int64)


def _places(plan: Refinement, seen: Seen) -> list[int]:
    """Return the cells in which a quantile may lie and that hold more than one code."""
    wanted: set[int] = set()
    for q in plan.shares:
        low, high = seen.around(q, plan.seen(q))
        first, last = np.searchsorted(seen.codes, [low, high])
        wanted |= set(range(int(first), int(last)))
    wide = [place for place in sorted(wanted) if seen.codes[place + 1] - seen.codes[place] > 1]
    return wide if len(wide) <= MOST else []


def _pieces(seen: Seen, place: int) -> Whole:
    first, last = int(seen.codes[place]), int(seen.codes[place + 1])
    step = -(-(last - first) // PIECES)
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
    close = [_candidates(plan, seen, q) for q in plan.shares]
    sides = leaves.sides(np.concatenate(close))
    ends = np.cumsum([len(some) for some in close])[:-1]
    far, *far_sides = leaves.borders(FAR)
    picked = {}
    for q, some, lower, upper in zip(plan.shares, close, *(np.split(side, ends) for side in sides), strict=True):
        below_each, above_each = np.concatenate([lower, far_sides[0]]), np.concatenate([upper, far_sides[1]])
        scores = scored(q, below_each, above_each, leaves.rows)
        best = noisy_max(plan.k * max(_odds(q)), plan.each)(scores.tolist())
        picked[q] = int(np.concatenate([some, far])[int(best)])
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


def _candidates(plan: Refinement, seen: Seen, q: float) -> Whole:
    rank, off = q * max(float(seen.below[-1]), 0.0), plan.seen(q)
    fine: Floats = np.interp(np.linspace(rank - off, rank + off, FINE), seen.below, seen.codes)
    low, high = seen.around(q, off)
    found = np.concatenate([fine, np.linspace(low, high, NEAR), _round_numbers(low, high)])
    return np.unique(np.clip(np.rint(found), plan.part.lo, plan.part.hi).astype(np.int64))


def _round_numbers(low: int, high: int) -> range:
    """Return the multiples of the least power of ten that make at most `ROUND`: people state incomes in hundreds."""
    step = 1
    while high // step - -(-low // step) >= ROUND:
        step *= 10
    return range(-(-low // step) * step, high + 1, step)
