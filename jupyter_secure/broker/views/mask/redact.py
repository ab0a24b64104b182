"""Redact: a fixed text instead of every value; columns that are not text become null. Nulls stay null.

Type: as `keep`. Only length and validity of the input are used, so a reader need not fetch the values.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from . import buffers

TEXT = b"***"


class RedactMask:
    """See the module."""

    def __init__(self, arrow_type: pa.DataType) -> None:
        self.type = buffers.plain_type(arrow_type)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the fixed text where the input has a value."""
        if not pa.types.is_string(self.type):
            return pa.nulls(len(array), self.type)
        rows = np.broadcast_to(np.frombuffer(TEXT, np.uint8), (len(array), len(TEXT)))
        return buffers.from_rows(rows, self.type, buffers.validity(array))
