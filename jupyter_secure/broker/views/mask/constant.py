"""Constant: one value everywhere, also where there was none. The column is never read.

Type: of the constant, whatever the input; it travels as one run.
"""

from __future__ import annotations

import pyarrow as pa

from . import buffers

TYPES: dict[type, pa.DataType] = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


class ConstantMask:
    """See the module."""

    def __init__(self, value: str | float) -> None:
        self.type = TYPES[type(value)]
        self.wire = pa.run_end_encoded(pa.int32(), self.type)
        self._value = pa.array([value], self.type)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the constant; only the length of the input is used."""
        return buffers.one_run(len(array), self._value)
