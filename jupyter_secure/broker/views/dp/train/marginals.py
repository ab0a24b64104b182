"""Noisy tables for synthetic rows: each column's counts, and those of the pairs that form the best tree.

Steps: (1) release each column's counts; (2) choose a tree of pairs, edge by edge, by OpenDP's noisy maximum: a pair is
worth how far its true table is from what the released counts of its columns say, less what its noise will be; (3)
release the tables of the chosen pairs. The method is MST (McKenna, Miklau and Sheldon 2021), with AIM's penalty for
large tables (McKenna et al. 2022), and every table taken by the target category. Rows are drawn from the tables
elsewhere, which costs nothing more.

Promise: estimates come from released numbers only, so one row moves a pair's worth by at most 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jupyter_secure.broker.views.dp.choice import noisy_max
from jupyter_secure.broker.views.dp.release import Noise, Price, noise_for, release
from jupyter_secure.broker.views.dp.sensitivity import Sensitivity, of_rows
from jupyter_secure.protocol.training import Marginals

from .encode import Touched
from .tables import CHOICE, ONES, PAIRS, SHARES, Edge, joining, others_of, rooted, target_block

if TYPE_CHECKING:
    from .bind import BoundTraining

Whole = NDArray[np.int64]


class Counted:
    """Rows as cells of the columns of the tree, and of the target category (one cell if there is none)."""

    def __init__(self, bound: BoundTraining, rows: Sequence[Touched]) -> None:
        model = bound.model
        assert isinstance(model, Marginals)
        target, self.blocks = target_block(model, bound.blocks), others_of(model, bound.blocks)
        cells = {block.col: touch.cell - block.first for block, touch in zip(bound.blocks, rows, strict=True)}
        self.classes = 1 if target is None else target.cells
        self._cells = [cells[block.col] for block in self.blocks]
        length = len(rows[0].cell)
        self._target = np.zeros(length, dtype=np.int64) if target is None else cells[target.col]

    def totals(self) -> Whole:
        """Return the exact counts of the target's cells."""
        return np.bincount(self._target, minlength=self.classes)

    def one(self, place: int) -> Whole:
        """Return the exact counts of a column, shape (cells, classes)."""
        size = self.blocks[place].cells
        return np.bincount(self._cells[place] * self.classes + self._target, minlength=size * self.classes).reshape(
            size, self.classes
        )

    def pair(self, edge: Edge) -> Whole:
        """Return the exact counts of a pair, shape (cells of one, cells of the other, classes)."""
        shape = (self.blocks[edge[0]].cells, self.blocks[edge[1]].cells, self.classes)
        place = (self._cells[edge[0]] * shape[1] + self._cells[edge[1]]) * self.classes + self._target
        return np.bincount(place, minlength=math.prod(shape)).reshape(shape)


def ones_noise(bound: BoundTraining) -> tuple[Noise, Sensitivity, Price]:
    """Return the noise of the first release, its sensitivity and its cost: a row adds 1 to each column, and to all."""
    width = _width(bound)
    return _noise(bound, 1 + width, ONES if width > 1 else SHARES)


def pairs_noise(bound: BoundTraining) -> tuple[Noise, Sensitivity, Price]:
    """Return the same of the last release: a row adds 1 to each chosen pair."""
    return _noise(bound, max(_width(bound) - 1, 1), PAIRS)


class Tables(NamedTuple):
    """Released counts.

    Attributes:
        totals: of the target's cells.
        ones: of each column, shape (cells, classes).
        pairs: by child and parent in the tree, shape (cells of the child, cells of the parent, classes).
    """

    totals: Whole
    ones: list[Whole]
    pairs: dict[Edge, Whole]


def release_tables(bound: BoundTraining, counted: Counted) -> Tables:
    """Return the released tables."""
    totals, *ones = _released([counted.totals(), *map(counted.one, range(len(counted.blocks)))], *ones_noise(bound))
    edges = list(rooted(choose(bound, counted, totals, ones)).items())
    pairs = _released([counted.pair(edge) for edge in edges], *pairs_noise(bound)) if edges else []
    return Tables(totals, ones, dict(zip(edges, pairs, strict=True)))


def choose(bound: BoundTraining, counted: Counted, totals: Whole, ones: list[Whole]) -> list[Edge]:
    """Return the pairs of a tree over all columns, one noisy maximum for each."""
    width = len(ones)
    if width < 2:
        return []
    noise = pairs_noise(bound)[0]
    worths = {
        edge: worth(counted.pair(edge), totals, ones[edge[0]], ones[edge[1]], noise) for edge in joining(width, [])
    }
    best = noisy_max(bound.k, bound.price.times(CHOICE).part(width - 1))
    chosen: list[Edge] = []
    for _ in range(width - 1):
        left = joining(width, chosen)
        chosen.append(left[int(best([worths[edge] for edge in left]))])
    return chosen


def worth(table: Whole, totals: Whole, one: Whole, two: Whole, noise: Noise) -> int:
    """Return how much a pair's table adds: its distance (L1) from independence, less the noise that it would have.

    Args:
        table: exact counts; everything else is released or public.
        totals: of the target's cells.
        one: counts of the first column.
        two: of the second.
        noise: in a released pair.
    """
    alone = np.maximum(one, 0)[:, None, :] * np.maximum(two, 0)[None, :, :] // np.maximum(totals, 1)
    return int(np.abs(table - alone).sum()) - math.ceil(noise.usual * table.size)


def _width(bound: BoundTraining) -> int:
    model = bound.model
    assert isinstance(model, Marginals)
    return len(others_of(model, bound.blocks))


def _noise(bound: BoundTraining, tables: int, shares: int) -> tuple[Noise, Sensitivity, Price]:
    reach, price = of_rows(tables, tables, bound.k), bound.price.times(shares)
    return noise_for(reach, price), reach, price


def _released(tables: list[Whole], noise: Noise, reach: Sensitivity, price: Price) -> list[Whole]:
    exact = np.concatenate([table.ravel() for table in tables])
    noisy = release(exact, noise, reach, price)
    ends = np.cumsum([table.size for table in tables])[:-1]
    return [part.reshape(table.shape) for part, table in zip(np.split(noisy, ends), tables, strict=True)]
