"""JSON lines (UTF-8, one object in each line), with types that hold for the whole file.

Passes over the file: the first reads every row and finds each column's type, the second converts. A key that a row
does not have is null; whole numbers beside fractions become fractions if none loses a digit; text stays text, dates
too. Promises: a broken row is named by its number; a key twice in one object, NaN and Infinity are no JSON here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from jupyter_secure.protocol.errors import InputFileError

from .columns import cast, sealed_schema

BATCH = 1 << 14
Row = dict[str, Any]


class JsonSource:
    """A file of JSON lines.

    Args:
        expected: columns of text, or without a value, whose values must have these types.

    Raises:
        InputFileError: a row is broken, a column has values of two kinds, or there is no column.
    """

    def __init__(self, path: Path, expected: pa.Schema | None = None) -> None:
        self._path = path
        self._found = sealed_schema(self._narrow())
        known = {field.name: field for field in expected or ()}
        # JSON has no dates and the like: only text can be meant to be one.
        self._schema = pa.schema([known.get(it.name, it) if pa.types.is_string(it.type) else it for it in self._found])

    @property
    def schema(self) -> pa.Schema:
        """Return names, in the order in which they first appear, and types."""
        return self._schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read from the beginning; see `Source.batches`."""
        for last, rows in self._chunks():
            found = [_array(rows, field.name, last, field.type) for field in self._found]
            columns = [cast(column, field) for column, field in zip(found, self._schema, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _narrow(self) -> pa.Schema:
        kinds: dict[str, pa.DataType] = {}
        for last, rows in self._chunks():
            for name in dict.fromkeys(key for row in rows for key in row):
                kind = _array(rows, name, last).type
                kinds[name] = _joined(name, kinds.get(name, pa.null()), kind, last)
        return pa.schema(list(kinds.items()))

    def _chunks(self) -> Iterator[tuple[int, list[Row]]]:
        read = 0
        try:
            with self._path.open(encoding="utf-8-sig") as file:
                numbered = ((number, line) for number, line in enumerate(file, 1) if line.strip())
                while chunk := list(islice(numbered, BATCH)):
                    read = chunk[-1][0]
                    yield read, [_object(line, number) for number, line in chunk]
        except UnicodeDecodeError:
            raise InputFileError(
                f"The file is not UTF-8, after row {read}. Save it as UTF-8; nothing was sealed."
            ) from None


def _object(line: str, number: int) -> Row:
    try:
        found = json.loads(line, parse_constant=_no_constant, object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputFileError(f"Row {number} is not one JSON object. Correct it; nothing was sealed.")
    return found


def _no_constant(_: str) -> None:
    raise ValueError


def _no_key_twice(pairs: list[tuple[str, Any]]) -> Row:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _array(rows: list[Row], name: str, last: int, kind: pa.DataType | None = None) -> Any:
    try:
        return pa.array([row.get(name) for row in rows], kind)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        said = f"`{kind}`" if kind else "one kind, or of numbers that fit into 64 bits"
        raise InputFileError(
            f"Column `{name}` has values that are not of {said}, at or before row {last}. Nothing was sealed."
        ) from None


def _joined(name: str, before: pa.DataType, now: pa.DataType, last: int) -> pa.DataType:
    schemas = [pa.schema([(name, kind)]) for kind in (before, now)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(name).type
    except pa.ArrowException:
        raise InputFileError(
            f"Column `{name}` has values of two kinds, `{before}` and `{now}`, at or before row {last}. Nothing was "
            "sealed."
        ) from None
