"""Takes the batches of a view as they arrive, so that little is left to do when the last one is there.

Promises: what is gathered is handed out by `done` alone, once the view is known to be whole. A pandas frame has the
dtypes that `pandas.read_parquet` gives for the same table, its columns can be written to, and they do not share one
block, which spares a copy.

Steps for pandas: numbers and dates are put where the frame will hold them while the worker makes the next batch -> the
rest stays as Arrow chunks -> it is converted at the end, and given up meanwhile, so that the view is not held twice.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from .dates import DateTable, python_s_dates

SMALLEST = 1 << 12  # rows to make room for, where nobody knows how many will come


class Gatherer(Protocol):
    """Where the batches of one view go."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next batch."""
        ...

    def done(self) -> Any:
        """Return all of them as one."""
        ...


class TableGatherer:
    """Gathers a `pyarrow.Table`."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep the batch."""
        self._batches.append(batch)

    def done(self) -> pa.Table:
        """Return the table."""
        return pa.Table.from_batches(self._batches, self._schema)


class PandasGatherer:
    """Gathers a `pandas.DataFrame`.

    Args:
        schema: of the batches.
        rows: how many will come, as far as is known; room is made for them.
    """

    def __init__(self, schema: pa.Schema, rows: int = 0) -> None:
        self._schema = schema
        self._rows = 0
        kinds = {field.name: _numpy(field.type) for field in schema}
        self._numbers = {name: _Numbers(kind, rows) for name, kind in kinds.items() if kind is not None}
        self._chunks: dict[str, list[pa.Array]] = {name: [] for name, kind in kinds.items() if kind is None}

    def add(self, batch: pa.RecordBatch) -> None:
        """Copy the numbers, keep the rest.

        Raises:
            InvalidRequestError: a date is one that Python does not have.
        """
        for name, array in zip(self._schema.names, batch.columns, strict=True):
            numbers = self._numbers.get(name)
            if numbers and array.null_count and pa.types.is_integer(array.type):
                # Integers with a null are floats in pandas, which Arrow knows how to make of all of them together.
                self._chunks[name] = numbers.chunks()
                numbers = self._numbers.pop(name) and None
            if numbers:
                numbers.add(array)
            else:
                self._chunks[name].append(_own(array))
        self._rows += batch.num_rows

    def done(self) -> Any:
        """Return the frame.

        Raises:
            InvalidRequestError: a date is one that Python does not have.
        """
        import pandas as pd

        fields = [field for field in self._schema if field.name in self._chunks]
        rest = _converted([pa.chunked_array(self._chunks.pop(field.name), field.type) for field in fields], fields)
        columns = {
            name: self._numbers[name].values() if name in self._numbers else rest[name] for name in self._schema.names
        }
        return released(pd.DataFrame(columns, index=pd.RangeIndex(self._rows), copy=False))


def released(frame: Any) -> Any:
    """Return the frame once Arrow has given back what was only needed on the way to it, a quarter of the memory."""
    pa.default_memory_pool().release_unused()
    return frame


class _Numbers:
    """One column of numbers, times or dates, in memory that will be the frame's."""

    def __init__(self, kind: np.dtype[Any], rows: int) -> None:
        self._room = np.empty(rows or SMALLEST, kind)
        self._filled = 0
        self._dates = DateTable() if kind.kind == "O" else None

    def add(self, array: pa.Array) -> None:
        """Take the next ones; a null among them becomes NaN or NaT."""
        end = self._filled + len(array)
        if end > len(self._room):
            grown = np.empty(max(end, 2 * len(self._room)), self._room.dtype)
            grown[: self._filled] = self._room[: self._filled]
            self._room = grown
        room = self._room[self._filled : end]
        if self._dates is None:
            room[:] = array.to_numpy(zero_copy_only=False)
        else:
            self._dates.put(array, room)
        self._filled = end

    def values(self) -> Any:
        """Return them; not in a corner of much larger memory."""
        import pandas as pd

        values = self._room[: self._filled]
        own = values if 2 * self._filled > len(self._room) else values.copy()
        return pd.Series(own, dtype=own.dtype, copy=False)  # pandas need not look what the objects are

    def chunks(self) -> list[pa.Array]:
        """Return them as Arrow chunks."""
        return [pa.array(self._room[: self._filled])]


def _own(array: pa.Array) -> pa.Array:
    """Return the array in memory of its own, as text arrives: it would hold the whole batch until the last one."""
    return array if pa.types.is_large_string(array.type) else pa.concat_arrays([array])


def _numpy(kind: pa.DataType) -> np.dtype[Any] | None:
    """Return the numpy type that pandas gives to a column without a second look at its values."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.dtype(kind.to_pandas_dtype())
    if pa.types.is_date(kind):
        return np.dtype(object)
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return np.dtype(f"M8[{kind.unit}]")
    return np.dtype(f"m8[{kind.unit}]") if pa.types.is_duration(kind) else None


def _converted(columns: list[pa.ChunkedArray], fields: list[pa.Field]) -> Any:
    table = pa.Table.from_arrays([_to_copy(column) for column in columns], schema=pa.schema(fields))
    columns.clear()  # else they would be held twice
    with python_s_dates():
        return table.to_pandas(split_blocks=True, self_destruct=True, use_threads=True)


def _to_copy(column: pa.ChunkedArray) -> pa.ChunkedArray:
    # Of times in a single chunk pandas would get Arrow's own memory, into which nothing can be written.
    if not pa.types.is_timestamp(column.type):
        return column
    return pa.chunked_array([*column.chunks, pa.array([], column.type)])
