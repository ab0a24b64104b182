"""Exact aggregates in 64-bit integers; `domain` has proved that none can overflow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .normalise import Normal
from .sensitivity import CountPart, Part, SumPart


def aggregate(
    part: Part,
    columns: Mapping[str, Normal],
    used: NDArray[np.bool_],
    codes: NDArray[np.int64] | None,
    groups: int,
) -> NDArray[np.int64]:
    """Return one exact integer for each group.

    Args:
        part: what to add up.
        columns: codes by column name.
        used: the rows that count at all.
        codes: group of each row; None where there is one group.
        groups: number of groups.
    """
    if part.col is not None:
        used = used & ~columns[part.col].null
    if isinstance(part, CountPart):
        if codes is None:
            return np.array([np.count_nonzero(used)], dtype=np.int64)
        return np.bincount(codes[used], minlength=groups).astype(np.int64)
    values = _values(part, columns[part.col])[used]
    if codes is None:
        return np.array([values.sum(dtype=np.int64)], dtype=np.int64)
    total = np.zeros(groups, dtype=np.int64)
    np.add.at(total, codes[used], values)  # bincount with weights would pass through floating point
    return total


def _values(part: SumPart, column: Normal) -> NDArray[np.int64]:
    clipped = np.clip(column.codes, part.lo, part.hi)
    return clipped - part.centre if part.centre else clipped
