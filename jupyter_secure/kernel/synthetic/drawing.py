"""Rows drawn from released tables: first made consistent, then drawn down the tree.

Works on released numbers and public facts alone, so it costs nothing and may be repeated. Steps of `consistent`: counts
below zero are taken away so that the rest adds up (projection onto the simplex); the pairs are scaled until they agree
with each column's own counts, which have less noise (iterative proportional fitting). Steps of `draw`: the target
category and the root by their shares, rounded to whole rows; each other column from its parent's cell, by systematic
sampling, so that drawing adds next to no error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]
ROUNDS = 30
SURE = 2  # times the 95 % margin: noise alone is larger once in 30,000 times


@dataclass(frozen=True)
class Tables:
    """Counts of one tree.

    Attributes:
        totals: of the target's cells, shape (classes,).
        ones: of each column by its place among the features, shape (cells, classes); without the target.
        parents: of each column but the root, parents before their children.
        pairs: of a column with its parent, shape (cells, cells of the parent, classes).
    """

    totals: Floats
    ones: dict[int, Floats]
    parents: dict[int, int]
    pairs: dict[int, Floats]


def tables_of(answer: Any) -> Tables:
    """Return the tables of a trained `marginals` (docs/spec/training-v1.md)."""
    grouped = {key: rows["value"].to_numpy(np.float64) for key, rows in answer.groupby(["part", "feature"], sort=False)}
    totals = grouped["total", -1]
    classes = len(totals)
    ones = {place: values.reshape(-1, classes) for (part, place), values in grouped.items() if part == "one"}
    parents = {place: int(values[0]) for (part, place), values in grouped.items() if part == "parent"}
    pairs = {
        place: grouped["pair", place].reshape(len(ones[place]), len(ones[parent]), classes)
        for place, parent in parents.items()
    }
    return Tables(totals, ones, parents, pairs)


def consistent(tables: Tables, margin: float) -> Tables:
    """Return tables without negative counts that agree with one another.

    Args:
        tables: as released.
        margin: of each column's counts; a last cell (missing or unknown) of less than twice that is taken as empty.
    """
    kept = _without_noise(tables.totals[:, None], margin)[:, 0]
    totals = projected(kept, max(tables.totals.sum(), 1.0))
    ones = {place: _agreeing(_without_noise(counts, margin), totals) for place, counts in tables.ones.items()}
    pairs = {place: _raked(tables.pairs[place], ones[place], ones[parent]) for place, parent in tables.parents.items()}
    return Tables(totals, ones, tables.parents, pairs)


def projected(counts: Floats, total: float) -> Floats:
    """Return the nearest counts (in L2) that are not negative and add up to `total` (Duchi et al. 2008)."""
    falling = np.sort(counts[np.isfinite(counts)])[::-1]
    excess = (np.cumsum(falling) - total) / np.arange(1, len(falling) + 1)
    off = excess[np.flatnonzero(falling >= excess)[-1]]
    return np.maximum(counts - off, 0.0)


def draw(tables: Tables, rows: int, seed: int) -> tuple[Cells, dict[int, Cells]]:
    """Return the target's cell of each row, and the cell of each column by its place."""
    rng = np.random.default_rng(seed)
    target = np.repeat(np.arange(len(tables.totals)), _whole(tables.totals, rows))
    drawn: dict[int, Cells] = {}
    for place, counts in tables.ones.items():
        if place not in tables.parents:
            drawn[place] = _by_group(target, counts, counts.sum(axis=1), rng)
    for place, parent in tables.parents.items():
        # One group for each cell of the parent and of the target.
        group = drawn[parent] * len(tables.totals) + target
        pair = tables.pairs[place].reshape(len(tables.pairs[place]), -1)
        drawn[place] = _by_group(group, pair, tables.ones[place].sum(axis=1), rng)
    mixed = rng.permutation(rows)
    return target[mixed], {place: drawn[place][mixed] for place in sorted(drawn)}


def _without_noise(counts: Floats, margin: float) -> Floats:
    if len(counts) > 1 and counts[-1].sum() <= SURE * margin * np.sqrt(counts.shape[1]):
        counts = counts.copy()
        counts[-1] = -np.inf  # the projection makes it 0
    return counts


def _agreeing(counts: Floats, totals: Floats) -> Floats:
    columns = [projected(counts[:, each], total) for each, total in enumerate(totals)]
    return np.stack(columns, axis=1)


def _raked(pair: Floats, child: Floats, parent: Floats) -> Floats:
    """Return the pair's counts scaled so that both sides agree with the columns' own."""
    shape = pair.shape
    found = _agreeing(pair.reshape(-1, shape[2]), child.sum(axis=0)).reshape(shape)
    # A cell that noise hid keeps a trace of what independence would put there, or its row could not be filled.
    found = found + 1e-6 * child[:, None, :] * parent[None, :, :] / np.maximum(child.sum(axis=0), 1.0)
    for _ in range(ROUNDS):
        found = found * _ratio(child, found.sum(axis=1))[:, None, :]
        found = found * _ratio(parent, found.sum(axis=0))[None, :, :]
    return found


def _ratio(wanted: Floats, found: Floats) -> Floats:
    return np.divide(wanted, found, out=np.zeros_like(wanted), where=found > 0)


def _whole(shares: Floats, rows: int) -> Cells:
    """Return whole numbers in proportion to the shares that add up to `rows` (largest remainders)."""
    exact = shares / shares.sum() * rows
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: rows - int(whole.sum())]] += 1
    return whole


def _by_group(group: Cells, shares: Floats, fallback: Floats, rng: np.random.Generator) -> Cells:
    """Return a cell for each row, drawn from the shares of the row's group, shape of `shares` (cells, groups)."""
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=shares.shape[1])
    drawn = np.empty(len(group), dtype=np.int64)
    end = 0
    for number in np.flatnonzero(sizes):
        start, end = end, end + int(sizes[number])
        of_group = shares[:, number] if shares[:, number].sum() > 0 else fallback
        steps = np.cumsum(of_group) / of_group.sum()
        points = (rng.random() + np.arange(end - start)) / (end - start)
        cells = np.searchsorted(steps, points, side="right").clip(max=len(steps) - 1)
        drawn[order[start:end]] = rng.permutation(cells)
    return drawn
