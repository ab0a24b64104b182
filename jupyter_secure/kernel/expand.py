"""Brings columns that travelled short to the form in which they are shown.

Promises: the result has plain types and no field metadata; nothing is shown that the worker did not say.

Steps for a batch: tokens (uint64, marked) become 16 hex characters; run-end encoded columns become plain; text gets the
long offsets that pandas and polars want, here, while the worker is still busy with the next batch.
"""

from __future__ import annotations

import functools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jupyter_secure.protocol.sealing import ENCODING, HEX

# Four characters for each 16-bit half-word as it lies in memory.
CHARACTERS = pa.array(
    np.frombuffer(b"".join(pair.to_bytes(2, "little").hex().encode() for pair in range(1 << 16)), np.uint32)
)


def shown_type(field: pa.Field) -> pa.DataType:
    """Return the type in which a travelling column is shown."""
    if (field.metadata or {}).get(ENCODING) == HEX and pa.types.is_uint64(field.type):
        return pa.large_string()
    kind = field.type.value_type if pa.types.is_run_end_encoded(field.type) else field.type
    return pa.large_string() if pa.types.is_string(kind) else kind


def shown_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of the view as it is shown."""
    return pa.schema([pa.field(field.name, shown_type(field)) for field in schema])


def expand(batch: pa.RecordBatch, shown: pa.Schema) -> pa.RecordBatch:
    """Return the batch as it is shown; `shown` is `shown_schema` of its schema."""
    columns = [_column(array, field.type) for array, field in zip(batch.columns, shown, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=shown)


def _column(array: pa.Array, shown: pa.DataType) -> pa.Array:
    if pa.types.is_run_end_encoded(array.type):
        values = array.values.cast(shown)
        if len(values) == 1 and pa.types.is_large_string(shown):
            text = values[0].as_buffer().to_pybytes() if values[0].is_valid else None
            return _repeated(text, len(array))
        runs = pa.RunEndEncodedArray.from_arrays(array.run_ends, values)
        return pc.run_end_decode(runs)
    if pa.types.is_uint64(array.type) and pa.types.is_large_string(shown):
        return _tokens(array)
    return _text(array) if pa.types.is_large_string(shown) else array.cast(shown)


@functools.lru_cache(4)
def _repeated(text: bytes | None, rows: int) -> pa.Array:
    """Return one text, or null, in each of the rows; nearly all batches of a view can share it."""
    validity = pa.py_buffer(bytes(-(-rows // 8))) if text is None else None
    buffers = [validity, _offsets(rows, len(text or b"")), pa.py_buffer((text or b"") * rows)]
    return pa.Array.from_buffers(pa.large_string(), rows, buffers)


def _text(array: pa.Array) -> pa.Array:
    """Return text with long offsets, in buffers of its own: frames keep it, and would hold the whole batch with it.

    Where all texts are of one length, their offsets, which are longer than a short text, are shared between batches.
    """
    if (width := _width(array)) is None:
        array = array.cast(pa.large_string())
    validity, offsets, data = array.buffers()
    own = [_copied(validity), offsets if width is None else _offsets(len(array), width), _copied(data)]
    return pa.Array.from_buffers(pa.large_string(), len(array), own, array.null_count, array.offset)


def _width(array: pa.Array) -> int | None:
    """Return how many bytes each text has, if it is the same number and nothing lies before or behind them."""
    if not pa.types.is_string(array.type) or not len(array) or array.offset:
        return None
    offsets = np.frombuffer(array.buffers()[1], np.int32)[: len(array) + 1]
    width = int(offsets[1] - offsets[0])
    return width if offsets[0] == 0 and bool((np.diff(offsets) == width).all()) else None


def _copied(buffer: pa.Buffer | None) -> pa.Buffer | None:
    return None if buffer is None else pa.py_buffer(np.array(np.frombuffer(buffer, np.uint8)))


def _tokens(array: pa.Array) -> pa.Array:
    pairs = pa.Array.from_buffers(pa.uint16(), 4 * len(array), [None, array.buffers()[1]], offset=4 * array.offset)
    text = pc.take(CHARACTERS, pairs, boundscheck=False).buffers()[1]  # every pair has its row
    validity = _copied(array.buffers()[0]) if array.null_count else None
    return pa.Array.from_buffers(pa.large_string(), len(array), [validity, _offsets(len(array), 16), text])


@functools.lru_cache(8)
def _offsets(rows: int, width: int) -> pa.Buffer:
    # Nearly all batches have the same number of rows, and so can share it.
    return pa.py_buffer(np.arange(rows + 1, dtype=np.int64) * width)
