"""Which columns can be sealed, with names and types that every reader of the format understands.

Names are checked here, types in `kinds`. Messages name the column, never a value.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa

from jupyter_secure.protocol.errors import InputFileError
from jupyter_secure.protocol.noun import ColumnName

from .kinds import leaves, sealed_kind

LIMIT = 5000
# What Arrow raises on a file that is damaged; a name that is not UTF-8 is found when it is first looked at.
BROKEN = (pa.ArrowException, OSError, UnicodeDecodeError)
# Parquet's encryption settings are one text in which these three separate names (parquet-java, `column.keys`).
SEPARATORS = ",:;"


def sealed_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that is stored: plain types, no metadata of the source (which may hold values).

    Raises:
        InputFileError: a column's name or type cannot be sealed.
    """
    check_names(schema.names)
    sealed = pa.schema([pa.field(field.name, sealed_kind(field.name, field.type)) for field in schema])
    _check_paths(sealed)
    return sealed


def cast(column: Any, field: Any) -> Any:
    """Return an array as the type of a field.

    Raises:
        InputFileError: a value does not fit; the sentence names the column.
    """
    try:
        return column if column.type == field.type else column.cast(field.type)
    except pa.ArrowInvalid:
        raise InputFileError(
            f"Column `{field.name}` has a value that `{field.type}` cannot hold. Nothing was sealed."
        ) from None


def checked(batch: Any, schema: pa.Schema, row: int) -> Any:
    """Return a batch that was read from row `row` on, with the types of a schema.

    Raises:
        InputFileError: a column is not what it says, for example text that is not UTF-8, or a value does not fit.
    """
    columns = []
    for column, field in zip(batch.columns, schema, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            raise InputFileError(
                f"Column `{field.name}` is damaged after row {row:,}, or its text is not UTF-8. Nothing was sealed."
            ) from None
        columns.append(cast(column, field))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def check_names(names: list[str]) -> None:
    """Refuse names that are doubled, empty, too long, or that the format cannot carry.

    Raises:
        InputFileError: names the first such column by its position.
    """
    if not 1 <= len(names) <= LIMIT:
        raise InputFileError(f"A table needs between 1 and {LIMIT} columns. Nothing was sealed.")
    seen: set[str] = set()
    for position, name in enumerate(names, 1):
        fault = _fault(name, seen)
        if fault:
            raise InputFileError(f"Column {position} {fault}. Rename it in the file; nothing was sealed.")
        seen.add(name.casefold())


def _fault(name: str, seen: set[str]) -> str:
    try:
        msgspec.convert(name, ColumnName)
    except msgspec.ValidationError:
        return "has no name, or one with control characters or more than 128 characters"
    if name != name.strip():
        return "has a name that begins or ends with a blank"
    if any(separator in name for separator in SEPARATORS):
        return "has a comma, colon or semicolon in its name, which Parquet encryption cannot carry"
    if name.casefold() in seen:
        return "has the same name as another (capitals do not count)"
    return ""


def _check_paths(schema: pa.Schema) -> None:
    # Inside a file, encryption knows a nested column by the path of each of its leaves, a text with dots.
    nested = [field for field in schema if pa.types.is_nested(field.type)]
    for field in nested:
        for path in leaves(field.name, str(field.type)):
            if _fault(path, set()):
                raise InputFileError(f"Column `{field.name}` has fields with names too long to seal. Rename them.")
        if any(name.startswith(f"{field.name}.") for name in schema.names):
            raise InputFileError(
                f"Column `{field.name}` is nested, and another's name begins with `{field.name}.`. Rename one of them; "
                "nothing was sealed."
            )
