"""Suppress: every value null. The column is never read, and travels as a single run of nulls.

Type: as `keep`, so that code which names the column still runs.
"""

from __future__ import annotations

import pyarrow as pa

from . import buffers


class SuppressMask:
    """See the module."""

    def __init__(self, arrow_type: pa.DataType) -> None:
        self.type = buffers.plain_type(arrow_type)
        self.wire = pa.run_end_encoded(pa.int32(), self.type)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return nulls; only the length of the input is used."""
        return buffers.one_run(len(array), pa.nulls(1, self.type))
