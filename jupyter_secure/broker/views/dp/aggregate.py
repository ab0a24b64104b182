"""Exact aggregates in 64-bit integers; `domain` has proved that none can overflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from .normalise import Normal
from .sensitivity import CountPart, Part, PersonsPart, ProductPart, SquarePart, SumPart, TreePart
from .tree import BRANCHES

BLOCK = 1 << 16  # rows whose values stay in the processor's cache
Rows = slice | NDArray[np.bool_]
PERSONS = ""  # among the columns: a code for each row's person; no column has an empty name


def aggregate(
    part: Part,
    columns: Mapping[str, Normal],
    used: NDArray[np.bool_],
    codes: NDArray[np.int64] | None,
    groups: int,
) -> NDArray[np.int64]:
    """Return one exact integer for each group, for a tree one for each node of each group.

    Args:
        part: what to add up.
        columns: codes by column name.
        used: the rows that count at all.
        codes: group of each row; None where there is one group.
        groups: number of groups.
    """
    for col in (part.col, part.beside):
        if col is not None:
            used = used > columns[col].null  # used, and more than null: not null
    if isinstance(part, PersonsPart):
        return _persons(columns[PERSONS].codes[used], None if codes is None else codes[used], groups)
    if isinstance(part, TreePart):
        return _tree(part, columns[part.col].codes[used], None if codes is None else codes[used], groups)
    if isinstance(part, CountPart):
        if codes is None:
            return np.array([np.count_nonzero(used)], dtype=np.int64)
        return _counts(codes, used, groups)
    if codes is None:
        return np.array([_total(part, columns, used)], dtype=np.int64)
    total = np.zeros(groups, dtype=np.int64)
    for rows in blocks(len(used)):
        # Those that are not used count as zero. `bincount` with weights would pass through floats.
        np.add.at(total, codes[rows], _values(part, columns, rows) * used[rows])
    return total


def _counts(codes: NDArray[np.int64], used: NDArray[np.bool_], groups: int) -> NDArray[np.int64]:
    """Return the number of used rows of each group; the others are counted too, before the first one."""
    total = np.zeros(groups + 1, dtype=np.int64)
    for rows in blocks(len(used), BLOCK if groups < BLOCK else len(used)):
        place = codes[rows] + 1
        place *= used[rows]
        total += np.bincount(place, minlength=groups + 1)
    return total[1:]


def blocks(rows: int, size: int = BLOCK) -> Iterator[slice]:
    """Return the blocks of a column, one after another."""
    return (slice(start, start + size) for start in range(0, rows, max(size, 1)))


def _total(part: SumPart | SquarePart | ProductPart, columns: Mapping[str, Normal], used: NDArray[np.bool_]) -> int:
    """Return the sum over the used rows; it takes as long whichever they are, because the others count as zero."""
    total = 0
    for rows in blocks(len(used)):
        total += int(np.einsum("i,i->", _whole(part, columns, rows), used[rows]))
    return total - part.centre * int(np.count_nonzero(used)) if isinstance(part, SumPart) else total


def _whole(part: SumPart | SquarePart | ProductPart, columns: Mapping[str, Normal], rows: slice) -> NDArray[np.int64]:
    # The centre of a plain sum is taken off once for all rows, which is a third of the work.
    return _clipped(part, columns, rows) if isinstance(part, SumPart) else _values(part, columns, rows)


def _values(part: SumPart | SquarePart | ProductPart, columns: Mapping[str, Normal], rows: Rows) -> NDArray[np.int64]:
    if isinstance(part, ProductPart):
        return _steps(part.one, columns, rows) * _steps(part.two, columns, rows)
    if isinstance(part, SquarePart):
        return np.square(_steps(part, columns, rows))
    return _moved(part, columns, rows)


def _moved(part: SumPart | SquarePart, columns: Mapping[str, Normal], rows: Rows) -> NDArray[np.int64]:
    return _clipped(part, columns, rows) - part.centre


def _clipped(part: SumPart | SquarePart, columns: Mapping[str, Normal], rows: Rows) -> NDArray[np.int64]:
    column = columns[part.col]
    codes = column.codes[rows]
    return codes if all(column.within(part.lo, part.hi)) else np.clip(codes, part.lo, part.hi)


def _steps(part: SquarePart, columns: Mapping[str, Normal], rows: Rows) -> NDArray[np.int64]:
    return (_moved(part, columns, rows) + (1 << part.shift >> 1)) >> part.shift


def _persons(people: NDArray[np.int64], codes: NDArray[np.int64] | None, groups: int) -> NDArray[np.int64]:
    if codes is None:
        return np.array([len(np.unique(people))], dtype=np.int64)
    return np.bincount(np.unique(people * groups + codes) % groups, minlength=groups).astype(np.int64)


def _tree(part: TreePart, values: NDArray[np.int64], codes: NDArray[np.int64] | None, groups: int) -> NDArray[np.int64]:
    """Return the nodes of every group, group by group, leaves first."""
    leaves = part.sizes[0]
    leaf = (np.clip(values, part.lo, part.hi) - part.lo) // part.width
    place = leaf if codes is None else codes * leaves + leaf
    levels = [np.bincount(place, minlength=groups * leaves).reshape(groups, leaves).astype(np.int64)]
    for size in part.sizes[1:]:
        below = levels[-1]
        padded = np.pad(below, ((0, 0), (0, size * BRANCHES - below.shape[1])))
        levels.append(padded.reshape(groups, size, BRANCHES).sum(axis=2))
    return np.concatenate(levels, axis=1).ravel()
