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
from .looks import LOOKS, Looks, Seen, look
from .release import ALPHA, Price
from .rows import Leaves
from .sensitivity import Part, TreePart

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]
LOOK = 16  # all looks share one of so many parts of the budget
# Candidates by rank around the place, by value around it, among them the roundest, and everywhere.
FINE, NEAR, ROUND, FAR = 384, 32, 64, 32
SAFE = 1.5  # times what looks are wrong by with 95 %: beyond it candidates are few
EXACT = 256  # leaves whose rows are sorted, at most, to count equal ones
PARTS = 10**6  # of a share q


@dataclass(frozen=True, slots=True)
class Refinement:
    """How a tree's budget is spent instead.

    Attributes:
        looks: what is looked for, and the price of each look.
        each: price of each choice.
    """

    looks: Looks
    each: Price

    def off(self, q: float) -> float:
        """Return how many rows a picked quantile is wrong by, at most, with 95 %, where candidates lie close."""
        scale = choice_scale(self.looks.k * max(_odds(q)), self.each) / PARTS
        return scale * math.log((FINE + NEAR + ROUND + FAR + 1) / ALPHA) + 2 * SAFE * self.looks.off(q) / FINE


def refinement(part: Part, bound: Bound) -> Refinement | None:
    """Return how the budget of a part is spent, or None where the part is released at once."""
    if not isinstance(part, TreePart) or part.width == 1 or bound.slots:
        return None
    shares = tuple(
        dict.fromkeys(each.q for each in bound.aggregates if each.kind is Quantile and each.parts[0] == part)
    )
    look = bound.price.part(LOOK * LOOKS)
    each = Price(bound.price.units - look.units * LOOKS, look.measure).part(len(shares))
    return Refinement(Looks(part, shares, look, bound.k), each) if min(look.units, each.units) > 0 else None


def refined(plan: Refinement, leaves: Leaves) -> dict[float, tuple[float, float]]:
    """Return value and margin, in codes, of each share."""
    part, seen = plan.looks.part, look(plan.looks, leaves)
    found = {}
    for q, code in pick(plan, leaves, seen).items():
        low, high = seen.around(q, plan.looks.off(q) + plan.off(q))
        margin = float(max(code - low, min(high, part.hi) - code, 0))
        empty = seen.below[-1] <= 0
        found[q] = ((part.lo + part.hi) / 2, (part.hi - part.lo) / 2) if empty else (float(code), margin)
    return found


def pick(plan: Refinement, leaves: Leaves, seen: Seen) -> dict[float, int]:
    """Return the code that is picked for each share."""
    far = leaves.borders(FAR)
    laid = [_candidates(plan, seen, q, leaves.width) for q in plan.looks.shares]
    ends = np.cumsum([len(exact) for exact, _ in laid])[:-1]
    sides = [np.split(side, ends) for side in leaves.sides(np.concatenate([exact for exact, _ in laid]))]
    picked = {}
    for q, (exact, thin), lower, upper in zip(plan.looks.shares, laid, *sides, strict=True):
        starts = np.concatenate([thin, far])
        below = leaves.below(starts)  # rows at such a code count as above it, which saves sorting them
        sums = np.concatenate([lower, below]), np.concatenate([upper, leaves.rows - below])
        best = noisy_max(plan.looks.k * max(_odds(q)), plan.each)(scored(q, *sums, leaves.rows))
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
    lo, hi = plan.looks.part.lo, plan.looks.part.hi
    rank, off = q * max(float(seen.below[-1]), 0.0), SAFE * plan.looks.off(q)
    fine: Floats = np.interp(np.linspace(rank - off, rank + off, FINE), seen.below, seen.codes)
    low, high = seen.around(q, off)
    spread = np.clip(np.rint(np.append(fine, np.linspace(low, high, NEAR))), lo, hi).astype(np.int64)
    exact = np.clip(np.array(_round_numbers(low, high), dtype=np.int64), lo, hi)
    if high - low > EXACT * width:
        return np.unique(exact), np.unique(spread - (spread - lo) % width)
    return np.unique(np.append(exact, spread)), exact[:0]


def _round_numbers(low: int, high: int) -> range:
    """Return the multiples of the least power of ten that make at most `ROUND`: people state incomes in hundreds."""
    step = 1
    while high // step - -(-low // step) >= ROUND:
        step *= 10
    return range(-(-low // step) * step, high + 1, step)
