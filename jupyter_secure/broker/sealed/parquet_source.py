"""A plain Parquet file as a source; what Arrow says of an error goes nowhere, because it may quote a cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_secure.protocol.errors import InputFileError

from .columns import BROKEN, checked, sealed_schema

BATCH = 1 << 16


class ParquetSource:
    """A plain Parquet file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                self._schema = sealed_schema(file.schema_arrow)
        except BROKEN:
            raise InputFileError(
                f"`{path.name}` is damaged, encrypted or no Parquet file. Nothing was sealed."
            ) from None

    @property
    def schema(self) -> pa.Schema:
        """Return names and types as they will be stored."""
        return self._schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read from the beginning; see `Source.batches`."""
        row = 0
        try:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(BATCH):
                    yield checked(batch, self._schema, row)
                    row += batch.num_rows
        except BROKEN:
            raise InputFileError(
                f"`{self._path.name}` is damaged or encrypted after row {row:,}. Nothing was sealed."
            ) from None
