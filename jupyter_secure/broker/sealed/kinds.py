"""The types under which columns are sealed, and the paths of a nested one's leaves.

Types are brought to one of each kind, without loss, so that whoever masks them later meets few: no dictionaries, no
large, view or fixed-size layouts, no half floats, times in micro- or nanoseconds, decimals of at most 38 digits. What
Parquet or the readers of the format cannot hold is refused by the column's name, with what to do.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from jupyter_secure.protocol.errors import InputFileError

DIGITS = 38
# In the manifest a nested type is one text, in which these separate; in a path inside the file it is a dot.
RESERVED = frozenset("<>()[].,:;")
_TIMES = {"s": "ms", "ms": "ms", "us": "us", "ns": "ns"}
_types = pa.types
Rule = tuple[Callable[[Any], bool], Callable[[str, Any], Any]]


def sealed_kind(name: str, kind: Any) -> Any:
    """Return the type under which a column is stored.

    Raises:
        InputFileError: it cannot be.
    """
    for holds, becomes in RULES:
        if holds(kind):
            return becomes(name, kind)
    raise refused(name, kind, "Convert it to text, numbers, times or lists of them")


def refused(name: str, kind: Any, advice: str) -> InputFileError:
    """Return the error that names a column and what to do."""
    return InputFileError(
        f"Column `{name}` has the type `{kind}`, which cannot be sealed. {advice}; nothing was sealed."
    )


def _decimal(name: str, kind: Any) -> Any:
    if kind.precision > DIGITS:
        raise refused(name, kind, f"Round it to {DIGITS} digits, or convert it to text")
    return pa.decimal128(kind.precision, kind.scale)


def _timestamp(name: str, kind: Any) -> Any:
    unit = _TIMES[kind.unit]
    if kind.tz is None:
        return pa.timestamp(unit)
    if kind.tz[:1] in {"+", "-"}:  # the same moments; a fixed distance is no zone, and readers differ on it
        return pa.timestamp(unit, "UTC")
    if kind.tz not in zoneinfo.available_timezones():
        raise refused(name, kind, "Name its time zone as the tz database does, or convert it to UTC")
    return pa.timestamp(unit, kind.tz)


def _list(name: str, kind: Any) -> Any:
    return pa.list_(pa.field("element", sealed_kind(name, kind.value_type)))


def _map(name: str, kind: Any) -> Any:
    return pa.map_(sealed_kind(name, kind.key_type), sealed_kind(name, kind.item_type))


def _struct(name: str, kind: Any) -> Any:
    names = [field.name for field in kind]
    if not names or len(set(names)) < len(names) or any(RESERVED & set(each) or not each.strip() for each in names):
        raise refused(name, kind, "Give its fields names that differ, without any of < > ( ) [ ] . , : ;")
    return pa.struct([pa.field(field.name, sealed_kind(name, field.type)) for field in kind])


def _time(_: str, kind: Any) -> Any:
    return pa.time64("ns" if kind.unit == "ns" else "us")


def _is(*tests: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda kind: any(test(kind) for test in tests)


RULES: tuple[Rule, ...] = (
    (lambda kind: isinstance(kind, pa.BaseExtensionType), lambda name, kind: sealed_kind(name, kind.storage_type)),
    (_types.is_dictionary, lambda name, kind: sealed_kind(name, kind.value_type)),
    (_is(_types.is_string, _types.is_large_string, _types.is_string_view, _types.is_null), lambda *_: pa.string()),
    (
        _is(_types.is_binary, _types.is_large_binary, _types.is_binary_view, _types.is_fixed_size_binary),
        lambda *_: pa.binary(),
    ),
    (_types.is_decimal, _decimal),
    (_types.is_float16, lambda *_: pa.float32()),
    (_types.is_date, lambda *_: pa.date32()),
    (_types.is_timestamp, _timestamp),
    (_types.is_duration, lambda _, kind: pa.duration(_TIMES[kind.unit])),
    (_types.is_time, _time),
    (_is(_types.is_list, _types.is_large_list, _types.is_fixed_size_list, _types.is_list_view), _list),
    (_types.is_large_list_view, _list),
    (_types.is_map, _map),
    (_types.is_struct, _struct),
    (_is(_types.is_boolean, _types.is_integer, _types.is_floating), lambda _, kind: kind),
)


def leaves(name: str, kind: str) -> Iterator[str]:
    """Yield the paths of a stored column's leaves inside a Parquet file, from its type as the manifest has it."""
    inner = kind[kind.index("<") + 1 : -1] if kind.endswith(">") else ""
    if kind.startswith("list<"):
        yield from leaves(f"{name}.list.element", inner.partition(": ")[2])
    elif kind.startswith("map<"):
        for part, each in zip(("key", "value"), _split(inner), strict=True):
            yield from leaves(f"{name}.key_value.{part}", each)
    elif kind.startswith("struct<"):
        for field in _split(inner):
            each, _, its = field.partition(": ")
            yield from leaves(f"{name}.{each}", its)
    else:
        yield name


def _split(inner: str) -> list[str]:
    found, depth = [""], 0
    for sign in inner:
        depth += (sign in "<([") - (sign in ">)]")
        if sign == "," and depth == 0:
            found.append("")
        else:
            found[-1] += sign
    return [each.strip() for each in found]
