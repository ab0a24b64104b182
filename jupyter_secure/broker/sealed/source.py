"""What a person brings to be sealed: a file or a folder, read in batches, in constant memory.

A source can be read more than once. Every failure is an `InputFileError` whose sentence has the row and the numbers of
columns, and never a value; what Arrow says of an error goes nowhere, because it quotes the cell.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from jupyter_secure.protocol.errors import InputFileError

SAMPLE = 10_000


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
    suffix = file.suffix.lower()
    if start == b"PAR1":
        from .parquet_source import ParquetSource

        return ParquetSource(file)
    if suffix in {".csv", ".tsv", ".txt"}:
        from .csv_source import CsvSource

        return CsvSource(file, "\t" if suffix == ".tsv" else ",", expected)
    if start == b"ARRO":
        from .feather_source import FeatherSource

        return FeatherSource(file)
    if suffix in {".jsonl", ".ndjson"}:
        from .json_source import JsonSource

        return JsonSource(file, expected)
    raise InputFileError(
        f"`{file.name}` is neither a CSV (.csv, .tsv) or JSON lines (.jsonl) nor a plain Parquet or Feather file "
        "(version 2). Nothing was sealed."
    )


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
