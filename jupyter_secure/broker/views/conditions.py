"""Row filters as polars expressions.

Promises: a null or NaN fits no filter; a literal or a list of another type than the column is refused, not guessed.
"""

from __future__ import annotations

import datetime as dt
import decimal
import os
import zoneinfo
from typing import Any

import polars as pl

from jupyter_secure.protocol.errors import IntegrityError, PolicyError
from jupyter_secure.protocol.view import Comparison, Listed, Membership, RowFilter

from .opening import lazy, open_part
from .plan import PersonList


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
    files = [open_part(part) for part in parts]
    try:
        frames = [lazy(fd, part).select(row.list_column) for fd, part in zip(files, parts, strict=True)]
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
