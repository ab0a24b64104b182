"""Redact: a fixed text instead of every value; columns that are not text become null. Nulls stay null.

Type: as `keep`; it travels as runs. Only length and validity of the input are used: a reader need not fetch values.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from . import buffers

TEXT = "***"


class RedactMask:
    """See the module."""

    def __init__(self, arrow_type: pa.DataType) -> None:
        self.type = buffers.plain_type(arrow_type)
        self.wire = pa.run_end_encoded(pa.int32(), self.type)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the fixed text where the input has a value."""
        if not pa.types.is_string(self.type):
            return buffers.one_run(len(array), pa.nulls(1, self.type))
        valid = buffers.validity(array)
        if valid is None or not len(array):
            return buffers.one_run(len(array), pa.array([TEXT]))
        ends = np.append(np.flatnonzero(valid[1:] != valid[:-1]) + 1, len(array)).astype(np.int32)
        values = pa.array([TEXT, None]).take(pa.array((~valid[ends - 1]).astype(np.int8)))
        return pa.RunEndEncodedArray.from_arrays(pa.array(ends), values)
