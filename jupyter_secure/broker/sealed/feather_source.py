"""A Feather file (version 2, which is an Arrow IPC file) as a source.

Promises: what the file says of itself is checked before it is used, text included; a compressed file is read too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from jupyter_secure.protocol.errors import InputFileError

from .columns import BROKEN, checked, sealed_schema


class FeatherSource:
    """An Arrow IPC file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with pa.OSFile(str(path)) as file:
                self._schema = sealed_schema(pa.ipc.open_file(file).schema)
        except BROKEN:
            raise InputFileError(f"`{path.name}` is damaged. Nothing was sealed.") from None

    @property
    def schema(self) -> pa.Schema:
        """Return names and types as they will be stored."""
        return self._schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read from the beginning; see `Source.batches`."""
        row = 0
        try:
            with pa.OSFile(str(self._path)) as file:
                reader = pa.ipc.open_file(file)
                for number in range(reader.num_record_batches):
                    batch = reader.get_batch(number)
                    yield checked(batch, self._schema, row)
                    row += batch.num_rows
        except BROKEN:
            raise InputFileError(f"`{self._path.name}` is damaged after row {row:,}. Nothing was sealed.") from None
