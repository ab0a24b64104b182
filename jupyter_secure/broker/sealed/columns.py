"""Which columns can be sealed: flat ones, with names that every reader of the format understands.

Types are brought to one of each kind (no dictionaries, no large or view layouts), so whoever masks them later meets
few. Messages name the column, never a value.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa

from jupyter_secure.protocol.errors import InputFileError
from jupyter_secure.protocol.noun import ColumnName

LIMIT = 5000
# Parquet's encryption settings are one text in which these three separate names (parquet-java, `column.keys`).
SEPARATORS = ",:;"


def sealed_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that is stored: plain types, no metadata of the source (which may hold values).

    Raises:
        InputFileError: a column's name or type cannot be sealed.
    """
    check_names(schema.names)
    return pa.schema([pa.field(field.name, _sealed_type(field.name, field.type)) for field in schema])


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


def _sealed_type(name: str, kind: Any) -> Any:
    types = pa.types
    if types.is_dictionary(kind):
        return _sealed_type(name, kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if types.is_null(kind):
        return pa.string()
    flat = (
        types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_date(kind)
        or types.is_time(kind)
        or types.is_timestamp(kind)
    )
    if not flat:
        raise InputFileError(f"Column `{name}` has the type `{kind}`, which cannot be sealed. Nothing was sealed.")
    return kind
