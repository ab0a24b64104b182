"""What a person brings to be sealed: a CSV or a Parquet file, read in batches, in constant memory.

A source can be read more than once. Every failure is an `InputFileError` whose sentence has the row and the numbers of
columns, and never a value; what Arrow says of an error goes nowhere, because it quotes the cell.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_secure.protocol.errors import InputFileError

from .columns import sealed_schema

SAMPLE = 10_000
BATCH = 1 << 16


class Source(Protocol):
    """A table that can be read again and again."""

    @property
    def schema(self) -> pa.Schema:
        """Return names and types of what `batches` gives."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read from the beginning.

        Raises:
            InputFileError: a row is broken.
        """


def open_source(path: str | os.PathLike[str], expected: pa.Schema | None = None) -> Source:
    """Return the source for a folder of Parquet files, or for a file, chosen by its content, then by its name.

    Where the file says nothing of types, its columns get those of `expected`.

    Raises:
        InputFileError: it cannot be read, or is of no known kind.
    """
    file = Path(path)
    if file.is_dir():
        from .folder_source import FolderSource

        return FolderSource(file)
    try:
        with file.open("rb") as opened:
            start = opened.read(4)
    except OSError as error:
        raise InputFileError(f"`{file.name}` cannot be read: {error.strerror}. Nothing was sealed.") from None
    if start == b"PAR1":
        return ParquetSource(file)
    if file.suffix.lower() in {".csv", ".tsv", ".txt"}:
        from .csv_source import CsvSource

        return CsvSource(file, "\t" if file.suffix.lower() == ".tsv" else ",", expected)
    raise InputFileError(f"`{file.name}` is neither a CSV (.csv, .tsv) nor a plain Parquet file. Nothing was sealed.")


def sample(source: Source, rows: int = SAMPLE) -> pa.Table:
    """Return the first rows, to suggest tags from."""
    taken: list[Any] = []
    count = 0
    for batch in source.batches():
        taken.append(batch.slice(0, rows - count))
        count += taken[-1].num_rows
        if count >= rows:
            break
    return pa.Table.from_batches(taken, source.schema)


class ParquetSource:
    """A plain Parquet file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as file:
            self._schema = sealed_schema(file.schema_arrow)

    @property
    def schema(self) -> pa.Schema:
        """Return names and types as they will be stored."""
        return self._schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read from the beginning; see `Source.batches`."""
        row = 0
        with self._open() as file:
            try:
                for batch in file.iter_batches(BATCH):
                    yield _cast(batch, self._schema)
                    row += batch.num_rows
            except (pa.ArrowException, OSError):
                raise InputFileError(
                    f"`{self._path.name}` is damaged or encrypted after row {row:,}. Nothing was sealed."
                ) from None

    def _open(self) -> Any:
        try:
            return pq.ParquetFile(self._path)
        except (pa.ArrowException, OSError):
            raise InputFileError(
                f"`{self._path.name}` is damaged, encrypted or no Parquet file. Nothing was sealed."
            ) from None


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
