"""Dates of a private dataset: the parts that questions group by, and days as the numbers that they compare with."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple, get_args

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.query import DatePart

from .dp_refusals import UnsupportedError

EPOCH = dt.date(1970, 1, 1)
PARTS: tuple[str, ...] = get_args(DatePart)
PERIODS = {"Y": "year", "Q": "quarter", "M": "month", "W": "week", "D": "day"}


class DpDatePart(NamedTuple):
    """A part of a date, to group by."""

    col: str
    part: str


class DpDates:
    """`p.admitted.dt`, as far as questions go: to group by."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def year(self) -> DpDatePart:
        """The calendar year."""
        return DpDatePart(self._name, "year")

    @property
    def quarter(self) -> DpDatePart:
        """The quarter of the year, 1 to 4, as in pandas."""
        return DpDatePart(self._name, "quarter_of_year")

    @property
    def month(self) -> DpDatePart:
        """The month of the year, 1 to 12, as in pandas."""
        return DpDatePart(self._name, "month_of_year")

    @property
    def date(self) -> DpDatePart:
        """The day."""
        return DpDatePart(self._name, "day")

    def to_period(self, freq: str) -> DpDatePart:
        """Return calendar years (Y), quarters (Q), months (M), weeks (W) or days (D), named by their first day."""
        if freq not in PERIODS:
            raise InvalidRequestError(f"Periods of dates are {', '.join(PERIODS)}.")
        return DpDatePart(self._name, PERIODS[freq])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise UnsupportedError(
            f"`dt.{name}` does not work on private data, whose dates are whole days. Nearest that works: `.dt.year`, "
            f"`.dt.quarter`, `.dt.month`, `.dt.to_period('M')` in `groupby`, and for days of the week, Monday being 1, "
            f"`groupby(('{self._name}', 'weekday'))`."
        )


def day_number(value: Any) -> int:
    """Return the days since 1970 of a date, or of its text as in `2024-01-31`.

    Raises:
        InvalidRequestError: it is no day.
    """
    try:
        day = dt.date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        day = None
    if isinstance(day, dt.datetime):
        day = day.date() if day.time() == dt.time() else None
    if not isinstance(day, dt.date):
        raise InvalidRequestError("Compare a date with a day, as in `p.admitted >= '2024-01-31'`.")
    return (day - EPOCH).days
