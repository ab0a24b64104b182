"""Quantiles from a noisy tree of counts (Hay et al. 2010; branching as in Qardaji, Yang, Li 2013).

A prefix of the leaves is a sum of at most 15 nodes of each level, so its noise grows with the logarithm of the leaves.
One tree serves every quantile of a column. All of this works on released counts and public facts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .release import Noise
from .sensitivity import TreePart

BRANCHES = 16
MOST_LEAVES = 1024
MOST_NODES = 100_000  # in one release


def plant(col: str, lo: int, hi: int) -> TreePart:
    """Return the tree over the codes `lo..hi`."""
    span = hi - lo + 1
    width = -(-span // MOST_LEAVES)
    sizes = [-(-span // width)]
    while sizes[-1] > BRANCHES:
        sizes.append(-(-sizes[-1] // BRANCHES))
    return TreePart(col, lo, hi, width, tuple(sizes))


def rank_margin(part: TreePart, noise: Noise) -> float:
    """Return how many rows a rank read off the tree is wrong by, at most, with 95 %."""
    nodes = (BRANCHES - 1) * len(part.sizes) + part.sizes[-1]  # a prefix, and all rows
    return noise.margin_of_sum(nodes)


def quantile(part: TreePart, nodes: NDArray[np.int64], q: float, noise: Noise) -> tuple[float, float]:
    """Return a quantile and its margin, in codes.

    Args:
        part: the tree.
        nodes: noisy counts, leaves first.
        q: share of the rows below.
        noise: in them.
    """
    below = _prefixes(part, nodes)
    rows = max(float(below[-1]), 0.0)
    if rows <= 0:
        return (part.lo + part.hi) / 2, (part.hi - part.lo) / 2
    rank, off = q * rows, rank_margin(part, noise)
    value = _value(part, below, rank)
    low = _value(part, below, rank - off) - part.width
    high = _value(part, below, rank + off) + part.width
    return value, max(value - max(low, part.lo), min(high, part.hi) - value)


def _prefixes(part: TreePart, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows in the first 0, 1, 2 ... leaves, never falling."""
    ends = np.cumsum(part.sizes)
    sums = [np.concatenate([[0], np.cumsum(level)]) for level in np.split(nodes, ends[:-1])]
    place = np.arange(part.sizes[0] + 1)
    total, covered = np.zeros(len(place), dtype=np.int64), np.zeros(len(place), dtype=np.int64)
    for level in reversed(range(len(sums))):
        full = place // BRANCHES**level
        # Whatever the levels above have covered ends at a border of this level too.
        total += sums[level][full] - sums[level][covered]
        covered = full * BRANCHES
    return np.maximum.accumulate(total)


def _value(part: TreePart, below: NDArray[np.int64], rank: float) -> float:
    """Return the code where a rank is reached, evenly spread inside a leaf."""
    leaf = int(np.clip(np.searchsorted(below, rank, side="left") - 1, 0, part.sizes[0] - 1))
    inside = float(below[leaf + 1] - below[leaf])
    share = (rank - float(below[leaf])) / inside if inside > 0 else 0.5
    return min(part.lo + (leaf + min(max(share, 0.0), 1.0)) * part.width, float(part.hi))
