"""Arrow buffers as numpy arrays and back, with offsets, nulls and encodings taken care of.

Promises: what is built here is fresh or cut to exactly the rows of the array; validity bitmaps start at bit 0 and have
no stray bits after the last row; what lies under a null is zero.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Array = npt.NDArray[Any]


class Text(NamedTuple):
    """Strings as bytes: row `i` is `data[starts[i] : starts[i] + lengths[i]]`; a null has length 0."""

    starts: Array  # int64
    lengths: Array  # int64
    data: Array  # uint8


def is_text(kind: pa.DataType) -> bool:
    """Say whether values of the type are text, however encoded."""
    kind = plain_type(kind)
    return bool(pa.types.is_string(kind))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type without dictionary or run-end encoding; all text is `string`, all bytes are `binary`."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    return kind


def plain(array: pa.Array) -> pa.Array:
    """Return the array without dictionary, run-end or view encoding; text may come out with long offsets."""
    if pa.types.is_dictionary(array.type):
        return plain(array.dictionary_decode())
    if pa.types.is_run_end_encoded(array.type):
        return plain(pc.run_end_decode(array))
    if is_view(array.type):
        return array.cast(pa.large_string() if pa.types.is_string_view(array.type) else pa.large_binary())
    if pa.types.is_fixed_size_binary(array.type):
        return array.cast(pa.binary())
    return array


def validity(array: pa.Array) -> Array | None:
    """Return one bool per row, or None where no row is null."""
    if array.null_count == 0:
        return None
    if pa.types.is_null(array.type):
        return np.zeros(len(array), bool)
    bits = np.frombuffer(array.buffers()[0], np.uint8)
    first = array.offset // 8
    cut = np.unpackbits(bits[first:], count=len(array) + array.offset % 8, bitorder="little")
    return cut[array.offset % 8 :].view(bool)


def bitmap(valid: Array | None) -> pa.Buffer | None:
    """Return a fresh validity bitmap."""
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))


def fixed(array: pa.Array, dtype: str) -> Array:
    """Return the values of a fixed-width array; what lies under nulls is undefined."""
    values = np.frombuffer(array.buffers()[1], dtype)
    return values[array.offset : array.offset + len(array)]


def from_fixed(values: Array, kind: pa.DataType, valid: Array | None) -> pa.Array:
    """Return an array of the values; those under nulls are zeroed, in a copy."""
    if valid is not None:
        values = np.where(valid, values, np.zeros((), values.dtype))
    return pa.Array.from_buffers(kind, len(values), [bitmap(valid), pa.py_buffer(np.ascontiguousarray(values))])


def text(array: pa.Array, valid: Array | None) -> Text:
    """Return the bytes of a `string`, `large_string`, `binary` or `large_binary` array, without a copy."""
    if not len(array):
        return Text(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))
    window, data = offsets(array), array.buffers()[2]
    starts: Array = window[:-1].astype(np.int64, copy=False)
    lengths: Array = window[1:] - starts
    if valid is not None:
        lengths = np.where(valid, lengths, 0)
    return Text(starts, lengths, np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8))


def is_view(kind: pa.DataType) -> bool:
    """Say whether text or bytes of the type are views."""
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def views(array: pa.Array) -> Array:
    """Return views as uint32 of shape (rows, 4): length; then up to 12 bytes, or 4 bytes, buffer and offset."""
    found = np.frombuffer(array.buffers()[1], np.uint32).reshape(-1, 4)
    return found[array.offset : array.offset + len(array)]


def offsets(array: pa.Array) -> Array:
    """Return the offsets of a text or binary array of at least one row."""
    long = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    found = np.frombuffer(array.buffers()[1], np.int64 if long else np.int32)
    return found[array.offset : array.offset + len(array) + 1]


def from_rows(rows: Array, kind: pa.DataType, valid: Array | None) -> pa.Array:
    """Return text or bytes of one common width: `rows` is uint8 of shape (rows, width); nulls take no bytes."""
    count, width = rows.shape
    if valid is None:
        offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    else:
        rows = rows[valid]
        offsets = np.zeros(count + 1, np.int32)
        np.cumsum(valid, out=offsets[1:])
        offsets *= np.int32(width)
    data = pa.py_buffer(np.ascontiguousarray(rows).reshape(-1))
    return pa.Array.from_buffers(kind, count, [bitmap(valid), pa.py_buffer(offsets), data])


def one_run(length: int, value: pa.Array) -> pa.Array:
    """Return `length` times the one value, as one run."""
    if not length:
        return pa.RunEndEncodedArray.from_arrays(pa.array([], pa.int32()), value.slice(0, 0))
    return pa.RunEndEncodedArray.from_arrays(pa.array([length], pa.int32()), value)
