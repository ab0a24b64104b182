"""Draws persons and cuts rows, between the scan and the masks.

Promises: the same persons at every load of one project and purpose, with all their rows; nobody who is not named; the
first rows of what is left; nothing is read once the limit is reached.

A person is drawn if the 64 bits of a keyed token lie below the share: about that share of the persons, not exactly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from .mask.buffers import Array, plain
from .mask.tokens import Tokens
from .plan import ViewPlan

Batch = tuple[int, dict[str, pa.Array]]


def sifted(batches: Iterator[Batch], plan: ViewPlan, types: dict[str, pa.DataType]) -> Iterator[Batch]:
    """Return the batches with the rows that policy leaves."""
    if plan.sample is not None:
        batches = _drawn(batches, plan, types[plan.sample.subject])
    return batches if plan.limit is None else _cut(batches, plan.limit)


def _drawn(batches: Iterator[Batch], plan: ViewPlan, kind: pa.DataType) -> Iterator[Batch]:
    assert plan.sample is not None
    assert plan.sample_key is not None
    tokens = Tokens(kind, plan.sample_key, "sample")
    bound = np.uint64(min(int(plan.sample.share * 2**64), 2**64 - 1))
    for _, columns in batches:
        token, named = tokens.of(columns[plan.sample.subject])
        drawn = token < bound if named is None else (token < bound) & named
        yield picked(columns, drawn)


def picked(columns: dict[str, pa.Array], which: Array) -> Batch:
    """Return the rows of a batch for which `which` is true."""
    rows = pa.array(np.flatnonzero(which))
    return len(rows), {name: plain(column).take(rows) for name, column in columns.items()}  # Arrow takes from no view


def _cut(batches: Iterator[Batch], limit: int) -> Iterator[Batch]:
    left = limit
    for height, columns in batches:
        if height >= left:
            yield left, {name: column.slice(0, left) for name, column in columns.items()}
            return
        left -= height
        yield height, columns
