"""The quantiles of one whole column, closer than a leaf of the tree: a look at the tree, then one choice for each.

Steps: (1) a sixteenth of the budget releases the tree, which shows where each quantile lies within some hundred rows;
(2) candidates are laid there, close to one another by released rank, with round numbers, and thinly over the rest; (3)
OpenDP's noisy maximum picks the candidate that the fewest rows are on the wrong side of (Smith 2011), with an equal
share of the rest for each quantile. Candidates depend on released numbers and public facts only, so the costs add up
(Bun and Steinke 2016, lemma 2.3). Quantiles of groups are read off the tree, whose cost does not grow with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jupyter_secure.protocol.query import Quantile

from .bind import Bound
from .choice import choice_scale, noisy_max
from .release import ALPHA, Noise, gaussian
from .sensitivity import Part, TreePart, l2
from .tree import plant_nodes, prefixes, rank_margin

Whole = NDArray[np.int64]
LOOK = 16  # the tree's share of the budget is one of so many
# Candidates by rank around the place, by value around it, among them the roundest, and everywhere.
FINE, NEAR, ROUND, FAR = 128, 64, 64, 64
PARTS = 10**6  # of a share q


@dataclass(frozen=True, slots=True)
class Refinement:
    """How a tree's budget is spent.

    Attributes:
        part: the tree.
        shares: the quantiles that are picked.
        look: units of the tree.
        each: units of each choice.
    """

    part: TreePart
    shares: tuple[float, ...]
    look: int
    each: int
    k: int

    def off(self, q: float) -> float:
        """Return how many rows a picked quantile is wrong by, at most, with 95 %, where candidates lie close."""
        scale = choice_scale(self.k * max(_odds(q)), self.each) / PARTS
        spacing = 2 * rank_margin(self.part, self.noise().scale) / FINE
        return scale * math.log((FINE + NEAR + ROUND + FAR + 1) / ALPHA) + spacing

    def noise(self) -> Noise:
        """Return the noise of the tree."""
        return gaussian(l2(self.part, self.k), self.look)


def refinement(part: Part, bound: Bound) -> Refinement | None:
    """Return how the budget of a part is spent, or None where the part is released at once."""
    if not isinstance(part, TreePart) or part.width == 1 or bound.slots:
        return None
    shares = tuple(
        dict.fromkeys(each.q for each in bound.aggregates if each.kind is Quantile and each.parts[0] == part)
    )
    look = bound.units // LOOK
    each = (bound.units - look) // len(shares)
    return Refinement(part, shares, look, each, bound.k) if min(look, each) > 0 else None


class Leaves:
    """The rows of a column by leaves of its tree; only the rows of leaves that are looked into are sorted."""

    def __init__(self, part: TreePart, values: Whole) -> None:
        self._part = part
        self._values = np.clip(values, part.lo, part.hi)
        self._leaf = (self._values - part.lo) // part.width
        counts = np.bincount(self._leaf, minlength=part.sizes[0])
        self.nodes = plant_nodes(part, counts.astype(np.int64)[None, :])[0]
        self._before = np.concatenate([[0], np.cumsum(counts)])
        self.rows = int(self._before[-1])

    def sides(self, candidates: Whole) -> tuple[Whole, Whole]:
        """Return how many rows lie below and above each candidate."""
        leaf = (candidates - self._part.lo) // self._part.width
        wanted = np.zeros(self._part.sizes[0], dtype=bool)
        wanted[leaf] = True
        rows = np.sort(self._values[wanted[self._leaf]])
        skipped = self._before[leaf] - np.searchsorted(rows, self._part.lo + leaf * self._part.width)
        below, upto = (skipped + np.searchsorted(rows, candidates, side) for side in ("left", "right"))
        return below, self.rows - upto

    def borders(self) -> tuple[Whole, Whole, Whole]:
        """Return some first codes of leaves all over the column, and the rows below and not below them."""
        place = np.arange(0, self._part.sizes[0], -(-self._part.sizes[0] // FAR))
        below = self._before[place]
        return self._part.lo + place * self._part.width, below, self.rows - below


def pick(plan: Refinement, leaves: Leaves, nodes: Whole) -> dict[float, int]:
    """Return the code that is picked for each share; `nodes` are the released ones."""
    below, off = prefixes(plan.part, nodes), rank_margin(plan.part, plan.noise().scale)
    close = [_candidates(plan.part, below, q, off) for q in plan.shares]
    sides = leaves.sides(np.concatenate(close))
    ends = np.cumsum([len(some) for some in close])[:-1]
    far, *far_sides = leaves.borders()
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


def _candidates(part: TreePart, below: Whole, q: float, off: float) -> Whole:
    rank = q * max(float(below[-1]), 0.0)
    borders = np.minimum(part.lo + np.arange(part.sizes[0] + 1) * part.width, part.hi)
    fine = np.interp(np.linspace(rank - off, rank + off, FINE), below, borders)
    low, high = max(fine[0] - part.width, part.lo), min(fine[-1] + part.width, part.hi)
    near = np.linspace(low, high, NEAR)
    found = np.concatenate([fine, near, _round_numbers(math.ceil(low), math.floor(high))])
    return np.unique(np.clip(np.rint(found), part.lo, part.hi).astype(np.int64))


def _round_numbers(low: int, high: int) -> range:
    """Return the multiples of the least power of ten that make at most `ROUND`: people state incomes in hundreds."""
    step = 1
    while high // step - -(-low // step) >= ROUND:
        step *= 10
    return range(-(-low // step) * step, high + 1, step)
