"""Suppress: every value null. Type: as `keep`, so that code which names the column still runs. The column is never read."""

from __future__ import annotations

import pyarrow as pa

from . import buffers


class SuppressMask:
    """See the module."""

    def __init__(self, arrow_type: pa.DataType) -> None:
        self.type = buffers.plain_type(arrow_type)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return nulls; only the length of the input is used."""
        return pa.nulls(len(array), self.type)
