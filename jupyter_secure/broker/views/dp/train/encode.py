"""Features as cells: where a model keeps the weights of each column, and which of them each row touches.

A category has a cell for each public key and one for all else; a number with cut points has a cell for each interval
and one for rows without a value; a number without has one cell and a value from -1 to 1 (0 where there is none). So a
row touches at most one cell of each column, with a weight of at most 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jupyter_secure.broker.views.dp.domain import CategoryFacts, Facts, NumberFacts, exact
from jupyter_secure.broker.views.dp.normalise import Normal
from jupyter_secure.broker.views.dp.predicate import find, number
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.training import MAX_CELLS, Feature

from .fixed import VALUE_BITS, scaled


@dataclass(frozen=True, slots=True)
class Block:
    """The cells of one column.

    Attributes:
        first: number of its first cell in the model.
        cells: how many it has.
        edges: cut points in codes; bins only.
        bounds: the codes that are scaled to -1 and 1; scaled columns only.
    """

    col: str
    first: int
    cells: int
    edges: tuple[int, ...] | None = None
    bounds: tuple[int, int] | None = None


class Touched(NamedTuple):
    """What the rows touch of one block: a cell each, and the scaled value where it is not 1."""

    cell: NDArray[np.int64]
    value: NDArray[np.int64] | None


def bind_features(features: tuple[Feature, ...], facts: Facts) -> tuple[Block, ...]:
    """Return the blocks of all features, whose cells follow one another from 0.

    Raises:
        InvalidRequestError: a feature fits no column, or there would be more than `MAX_CELLS` cells.
    """
    blocks: list[Block] = []
    first = 0
    for feature in features:
        blocks.append(_block(feature, facts, first))
        first += blocks[-1].cells
        if first > MAX_CELLS:
            raise InvalidRequestError(f"The features make more than {MAX_CELLS:,} cells. Use fewer `edges`.")
    return tuple(blocks)


def touched(block: Block, column: Normal, used: NDArray[np.bool_]) -> Touched:
    """Return what the used rows touch of a block."""
    codes, null = column.codes[used], column.null[used]
    if block.bounds is not None:
        value = np.where(null, 0, scaled(codes, *block.bounds, VALUE_BITS))
        return Touched(np.full(len(codes), block.first), value)
    place = codes if block.edges is None else np.searchsorted(np.array(block.edges), codes, side="right")
    return Touched(np.where(null | (place < 0), block.cells - 1, place) + block.first, None)


def design(blocks: tuple[Block, ...], columns: Mapping[str, Normal], used: NDArray[np.bool_]) -> list[Touched]:
    """Return what the used rows touch of every block."""
    return [touched(block, columns[block.col], used) for block in blocks]


def values(rows: list[Touched]) -> NDArray[np.int64]:
    """Return the scaled values of rows whose blocks are all scaled, shape (rows, columns)."""
    return np.stack([each.value for each in rows if each.value is not None], axis=1)


def _block(feature: Feature, facts: Facts, first: int) -> Block:
    column = find(feature.col, facts)
    if isinstance(column, CategoryFacts):
        if feature.edges is not None:
            raise InvalidRequestError(f"`{feature.col}` is a category: leave `edges` out, its cells are its keys.")
        return Block(feature.col, first, len(column.keys) + 1)
    column = number(feature.col, facts, "a feature")
    if feature.edges is None:
        return Block(feature.col, first, 1, bounds=(column.lo, column.hi))
    return Block(feature.col, first, len(feature.edges) + 2, edges=_edges(feature, column))


def _edges(feature: Feature, column: NumberFacts) -> tuple[int, ...]:
    # A cut point beyond the bounds makes a cell that stays empty; its code is kept inside what an integer holds.
    codes = (math.ceil(exact(float(edge)) / column.unit) for edge in feature.edges or ())
    return tuple(min(max(code, column.lo - 1), column.hi + 1) for code in codes)
