"""Keep: the value as it is, in plain encoding and buffers of its own.

Type: the input's; dictionaries are decoded; text is `string`, bytes are `binary`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from . import buffers


class KeepMask:
    """See the module."""

    def __init__(self, arrow_type: pa.DataType) -> None:
        self.type = self.wire = buffers.plain_type(arrow_type)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the same values."""
        array = buffers.plain(array)
        if pa.types.is_null(array.type):
            return pa.nulls(len(array))
        valid = buffers.validity(array)
        if pa.types.is_string(self.type) or pa.types.is_binary(self.type):
            return self._bytes(array, valid)
        if _fixed_width(array.type):
            width = array.type.bit_width // 8
            return buffers.from_fixed(buffers.fixed(array, _unsigned(width)), self.type, valid)
        return array.take(pa.array(np.arange(len(array))))  # gathers row by row: hidden values stay behind

    def _bytes(self, array: pa.Array, valid: buffers.Array | None) -> pa.Array:
        if valid is None and len(array):
            return self._cut(array)
        found = buffers.text(array, valid)
        ends = np.cumsum(found.lengths)
        total = int(ends[-1]) if len(ends) else 0
        first = int(found.starts[0]) if len(ends) else 0
        if len(ends) and int(found.starts[-1] + found.lengths[-1]) - first != total:
            return self._gathered(array)
        offsets = np.zeros(len(array) + 1, np.int32)
        offsets[1:] = ends
        data = pa.py_buffer(found.data[first : first + total])
        return pa.Array.from_buffers(self.type, len(array), [buffers.bitmap(valid), pa.py_buffer(offsets), data])

    def _cut(self, array: pa.Array) -> pa.Array:
        offsets, data = buffers.offsets(array), array.buffers()[2]
        first, last = int(offsets[0]), int(offsets[-1])
        cut = pa.py_buffer(b"") if data is None else data.slice(first, last - first)
        moved = pa.py_buffer((offsets - first).astype(np.int32))
        return pa.Array.from_buffers(self.type, len(array), [None, moved, cut])

    def _gathered(self, array: pa.Array) -> pa.Array:
        return array.take(pa.array(np.arange(len(array)))).cast(self.type)


def _fixed_width(kind: pa.DataType) -> bool:
    primitive = pa.types.is_primitive(kind) or pa.types.is_decimal(kind)
    return bool(primitive and kind.bit_width % 8 == 0)


def _unsigned(width: int) -> str:
    return {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "V16", 32: "V32"}[width]
