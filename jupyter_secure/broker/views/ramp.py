"""Cuts the first batch of a view and the last one into smaller ones.

Masking, sealing and the kernel work on three batches at a time. While the first is masked the others have nothing to do
yet, and while the kernel takes the last one all before it have nothing left to do: in smaller pieces both are shorter.
Promises: the same rows in the same order; a piece shares the memory of its batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from .sift import Batch

FIRST = (1 << 14, 1 << 15)  # rows of the first pieces of the first batch; the rest of it is one more
LAST = (2, 4)  # the last batch is cut into a half, a quarter, and what is left


def ramped(batches: Iterator[Batch], total: int) -> Iterator[Batch]:
    """Yield all rows of the batches; `total` is how many there will be, 0 where that is not known before the end."""
    done = 0
    for height, columns in batches:
        sizes = FIRST if not done else tuple(height // part for part in LAST) if done + height == total else ()
        done += height
        yield from _pieces(height, columns, sizes)


def _pieces(height: int, columns: dict[str, pa.Array], sizes: tuple[int, ...]) -> Iterator[Batch]:
    done = 0
    for size in (*sizes, height):
        rows = min(size, height - done)
        if rows == height:
            yield height, columns
            return
        if rows:
            yield rows, {name: array.slice(done, rows) for name, array in columns.items()}
        done += rows
