"""Reads sealed parts with the keys of only the permitted columns.

Promises: a plain file, an unencrypted footer and a footer other than the pinned one are refused before polars sees the
file; filters are pushed down into the scan; a null or NaN fits no filter; memory does not grow with the file.

Steps for a part: open once -> check magic and footer digest on the open file -> scan through that descriptor, so that
the file which was checked is the file which is read -> filter, select -> batches.
"""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import hmac
import os
import struct
import zoneinfo
from collections.abc import Iterator
from typing import Any

import polars as pl
import pyarrow as pa

from jupyter_secure.protocol.errors import IntegrityError, PolicyError
from jupyter_secure.protocol.treatment import Generalize, Redact
from jupyter_secure.protocol.view import Comparison, Listed, Membership, RowFilter

from .plan import Part, PersonList, ViewPlan, read

BATCH = 1 << 17  # rows; of more, the last batch keeps the kernel waiting longer, and fewer cost more hand-overs
OLDEST = pl.CompatLevel.oldest()  # offsets instead of string views
NEWEST = pl.CompatLevel.newest()  # string views, as polars holds them: costs nothing
TAIL = struct.Struct("<I4s")


class Scan:
    """The batches of a plan, in the order of parts and rows.

    Attributes:
        types: Arrow type of every column of the plan, and of those that name the person.
    """

    def __init__(self, plan: ViewPlan) -> None:
        self._plan = plan
        self._files = [_open(part) for part in plan.parts]
        frames = [_lazy(fd, part) for fd, part in zip(self._files, plan.parts, strict=True)]
        schemas = [frame.collect_schema() for frame in frames]
        if not schemas or any(schema != schemas[0] for schema in schemas):
            raise IntegrityError(detail="the parts differ in their columns")
        persons = plan.subjects
        missing = {column.name for column in plan.looked_at} | {row.column for row in plan.rows} | persons
        if missing - set(schemas[0]):
            raise IntegrityError(detail="a column of the plan is not in the file")
        arrow = pl.DataFrame(schema=schemas[0]).to_arrow(compat_level=OLDEST).schema
        self.types: dict[str, pa.DataType] = {
            name: arrow.field(name).type for name in {column.name for column in plan.looked_at} | persons
        }
        seen = {column.name for column in plan.looked_at if isinstance(column.treatment, Redact | Generalize)}
        self._seen = seen - persons
        self._lazy = [self._select(frame, schemas[0]) for frame in frames]
        self._rows = [batch_rows(part) for part in plan.parts]

    def batches(self, only: frozenset[str] | None = None) -> Iterator[tuple[int, dict[str, pa.Array]]]:
        """Yield the number of rows and one array for each column that is read, or for `only` those of them.

        A redacted or generalized column arrives as it lies in memory: its mask needs validity, or what a view shows.
        """
        for frame, rows in zip(self._lazy, self._rows, strict=True):
            if not frame.collect_schema():
                raise PolicyError("Every column of that view is hidden, so there is nothing to hand out.")
            chosen = frame if only is None else frame.select([name for name in frame.collect_schema() if name in only])
            for batch in chosen.collect_batches(chunk_size=rows, maintain_order=True):
                yield batch.height, self._arrays(batch)

    def _arrays(self, batch: pl.DataFrame) -> dict[str, pa.Array]:
        return {
            column.name: column.to_arrow(compat_level=NEWEST if column.name in self._seen else OLDEST)
            for column in batch.get_columns()
        }

    def close(self) -> None:
        """Close the files."""
        for fd in self._files:
            os.close(fd)

    def _select(self, frame: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
        if self._plan.rows:
            conditions = [condition(row, schema[row.column], self._plan.lists) for row in self._plan.rows]
            frame = frame.filter(pl.all_horizontal(conditions))
        # Bare columns: polars would decode all row groups before it evaluates an expression on the first.
        chosen = read(self._plan.looked_at) | self._plan.subjects
        return frame.select([name for name in schema if name in chosen])


def batch_rows(part: Part) -> int:
    """Return the rows of a batch: `BATCH`, or those of a row group where it has fewer because rows are wide.

    Row groups have a power of two of rows each, but the last, so their mean tells it.
    """
    if part.row_groups < 2:
        return BATCH
    mean = -(-part.rows // part.row_groups)
    return min(BATCH, 1 << (mean - 1).bit_length())


def condition(row: RowFilter, dtype: Any, lists: tuple[PersonList, ...] = ()) -> pl.Expr:
    """Return a row filter as an expression that is false for null and NaN.

    Raises:
        PolicyError: the literal or the list does not fit the column's type.
        IntegrityError: the list is damaged, or not there.
    """
    column = pl.col(row.column)
    if isinstance(row, Listed):
        listed = column.is_in(_persons(row, dtype, lists))
        matched = listed if row.keep else ~listed
    elif isinstance(row, Membership):
        matched = column.is_in(_members([_literal(value, dtype, row.column) for value in row.values], dtype))
    else:
        matched = _compare(column, row, _literal(row.value, dtype, row.column), dtype)
    if dtype.is_float():
        matched &= column.is_not_nan()
    return matched.fill_null(value=False)


def _persons(row: Listed, dtype: Any, lists: tuple[PersonList, ...]) -> pl.Series:
    parts = next((it.parts for it in lists if it.filter == row), None)
    if parts is None:
        raise IntegrityError(detail="a list of persons is not in the plan")
    files = [_open(part) for part in parts]
    try:
        frames = [_lazy(fd, part).select(row.list_column) for fd, part in zip(files, parts, strict=True)]
        named = pl.concat(frames).collect()[row.list_column].drop_nulls().unique()
        return named.cast(dtype, strict=True)
    except pl.exceptions.PolarsError:
        raise PolicyError("The list of persons names them by values of another type than the dataset.") from None
    finally:
        for fd in files:
            os.close(fd)


def _members(values: list[Any], dtype: Any) -> pl.Series:
    """Return those of the values that a column of the type can hold; no other is in it."""
    if dtype.is_decimal():
        exact = [decimal.Decimal(str(value)) for value in values]
        scaled = [(value, value.scaleb(dtype.scale)) for value in exact if value.is_finite()]
        values = [value for value, whole in scaled if whole == int(whole) and abs(whole) < 10**dtype.precision]
    elif dtype.is_integer():
        least, most = (pl.select(end).item() for end in (dtype.min(), dtype.max()))
        values = [int(value) for value in values if value == value // 1 and least <= value <= most]
    elif dtype.is_float():
        values = [float(value) for value in values]
    return pl.Series(values, dtype=dtype)


def _compare(column: pl.Expr, row: Comparison, value: Any, dtype: Any) -> pl.Expr:
    literal = pl.lit(value, dtype=dtype) if isinstance(value, dt.datetime) else pl.lit(value)
    match row.operator:
        case "eq":
            return column == literal
        case "ne":
            return column != literal
        case "lt":
            return column < literal
        case "le":
            return column <= literal
        case "gt":
            return column > literal
        case "ge":
            return column >= literal


def _literal(value: Any, dtype: Any, column: str) -> Any:
    try:
        if dtype == pl.Date and isinstance(value, str):
            return dt.date.fromisoformat(value)
        if dtype == pl.Datetime and isinstance(value, str):
            return _moment(dt.datetime.fromisoformat(value), dtype.time_zone)
    except (ValueError, zoneinfo.ZoneInfoNotFoundError):
        raise PolicyError(
            f"The row filter on `{column}` needs a date such as 2020-01-31, with a zone only where it has one."
        ) from None
    fits = (
        (dtype == pl.Boolean and isinstance(value, bool))
        or (dtype.is_numeric() and isinstance(value, int | float) and not isinstance(value, bool))
        or (dtype in (pl.String, pl.Categorical, pl.Enum) and isinstance(value, str))
    )
    if not fits:
        raise PolicyError(f"The row filter on `{column}` compares it with a value of another type.")
    return value


def _moment(moment: dt.datetime, zone: str | None) -> dt.datetime:
    """Return a moment in the zone of a column, where it is read if it says none of its own.

    Raises:
        ValueError: it has a zone, and the column has none.
    """
    if zone is None:
        if moment.tzinfo is not None:
            raise ValueError("a moment with a zone")
        return moment
    here = zoneinfo.ZoneInfo(zone)
    return moment.replace(tzinfo=here) if moment.tzinfo is None else moment.astimezone(here)


def _open(part: Part) -> int:
    try:
        fd = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise IntegrityError(detail="a part cannot be opened") from None
    try:
        _check_footer(fd, part.footer_digest)
    except IntegrityError:
        os.close(fd)
        raise
    return fd


def _check_footer(fd: int, pinned: str) -> None:
    size = os.fstat(fd).st_size
    length, magic = TAIL.unpack(os.pread(fd, TAIL.size, size - TAIL.size)) if size > 2 * TAIL.size else (0, b"")
    if magic != b"PARE" or length + TAIL.size > size:
        raise IntegrityError(detail="not a Parquet file with an encrypted footer")
    footer = os.pread(fd, length + TAIL.size, size - TAIL.size - length)
    if pinned and not hmac.compare_digest(hashlib.sha256(footer).hexdigest(), pinned):
        raise IntegrityError(detail="another footer than the manifest pins")


def _lazy(fd: int, part: Part) -> pl.LazyFrame:
    keys = pl.ParquetDecryptionProperties(footer_key=part.footer_key, column_keys=dict(part.column_keys))
    return pl.scan_parquet(f"/proc/self/fd/{fd}", decryption=keys, hive_partitioning=False, glob=False)
