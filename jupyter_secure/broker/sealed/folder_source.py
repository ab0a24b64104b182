"""A folder of Parquet files as one table, with the columns that the names of its folders give (`region=north/`).

Files are read in the order of their paths; names that begin with `.` or `_` are what writers leave beside the data, and
are passed over. Promises: every file has the same columns, types and folder columns, or the one that differs is named;
no link is followed. A folder column is a whole number if every one of its values is, else text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from jupyter_secure.protocol.errors import InputFileError

from .columns import check_names
from .parquet_source import ParquetSource

MISSING = "__HIVE_DEFAULT_PARTITION__"
WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,17})\Z")
Named = dict[str, str | None]


class FolderSource:
    """A folder.

    Raises:
        InputFileError: it has no Parquet file, or one of them cannot be read or differs from the first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = [(ParquetSource(path), self._named(path)) for path in self._paths()]
        first, named = self._files[0]
        for path, (source, keys) in zip(self._paths(), self._files, strict=True):
            self._compare(path, source.schema, first.schema, list(keys), list(named))
        added = [pa.field(name, self._type(name)) for name in named]
        check_names([*first.schema.names, *named])
        self._schema = pa.schema([*first.schema, *added])

    @property
    def schema(self) -> pa.Schema:
        """Return names and types as they will be stored; the folders' columns come last."""
        return self._schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read every file from the beginning; see `Source.batches`."""
        for source, named in self._files:
            for batch in source.batches():
                added = [pa.repeat(self._value(name, text), batch.num_rows) for name, text in named.items()]
                yield pa.RecordBatch.from_arrays([*batch.columns, *added], schema=self._schema)

    def _paths(self) -> list[Path]:
        found = sorted(path for path in self._folder.rglob("*") if self._counts(path))
        for path in found:
            if path.is_symlink() or path.suffix.lower() != ".parquet":
                raise InputFileError(f"`{self._shown(path)}` is no Parquet file (.parquet). Nothing was sealed.")
        if not found:
            raise InputFileError(f"`{self._folder.name}` has no Parquet file (.parquet) in it. Nothing was sealed.")
        return found

    def _counts(self, path: Path) -> bool:
        beside = any(name.startswith((".", "_")) for name in path.relative_to(self._folder).parts)
        return not beside and (path.is_symlink() or not path.is_dir())

    def _named(self, path: Path) -> Named:
        pairs = [part.partition("=") for part in path.relative_to(self._folder).parts[:-1] if "=" in part]
        return {unquote(name): None if text == MISSING else unquote(text) for name, _, text in pairs}

    def _type(self, name: str) -> pa.DataType:
        texts = [named[name] for _, named in self._files]
        return pa.int64() if all(text is None or WHOLE.match(text) for text in texts) else pa.string()

    def _value(self, name: str, text: str | None) -> pa.Scalar:
        kind = self._schema.field(name).type
        return pa.scalar(int(text) if text is not None and pa.types.is_integer(kind) else text, kind)

    def _compare(self, path: Path, found: pa.Schema, wanted: pa.Schema, keys: list[str], first: list[str]) -> None:
        if found.equals(wanted) and keys == first:
            return
        raise InputFileError(
            f"`{self._shown(path)}` {_difference(found, wanted) or 'has other columns in the names of its folders'}, "
            "unlike the first file. Nothing was sealed."
        )

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._folder))


def _difference(found: pa.Schema, wanted: pa.Schema) -> str:
    for field in wanted:
        if field.name not in found.names:
            return f"has no column `{field.name}`"
        kind = found.field(field.name).type
        if kind != field.type:
            return f"has column `{field.name}` as `{kind}` and not `{field.type}`"
    more = [name for name in found.names if name not in wanted.names]
    if more:
        return f"has one column more, `{more[0]}`"
    return "" if found.names == wanted.names else "has its columns in another order"
