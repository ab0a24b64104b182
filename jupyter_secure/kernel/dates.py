"""Python's dates for columns of days.

Promises: the same values as `pandas.read_parquet` gives, `None` for a null; a day that occurs often is one object.

Making a date takes far longer than finding it in a table by its day, and a column has few days for its rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jupyter_secure.protocol.errors import InvalidRequestError

SPAN = 1 << 18  # days of a table, 700 years; of a column with more each batch makes its own
NO_SUCH_DATE = (
    "A date or time is outside the years 1 to 9999, which pandas cannot hold. Choose `--frame polars` or "
    "`--frame arrow`."
)


class DateTable:
    """The dates of one column that have occurred, by their day."""

    def __init__(self) -> None:
        self._first = 0
        self._dates = np.empty(0, object)
        self._made = np.empty(0, bool)

    def put(self, array: pa.Array, room: NDArray[Any]) -> None:
        """Put an array of dates into `room`, of as many objects.

        Raises:
            InvalidRequestError: a date is one that Python does not have.
        """
        if array.null_count == len(array):
            room[:] = None
            return
        days, null = _days(array) if pa.types.is_date32(array.type) else (None, None)
        if days is None or not self._covers(int(days.min()), int(days.max())):
            room[:] = _made(array)
            return
        days -= self._first
        if not (made := np.take(self._made, days, mode="clip")).all():
            self._make(np.unique(days[~made]))
        np.take(self._dates, days, out=room, mode="clip")  # every day is there; "raise" would take twice as long
        if null is not None:
            room[null] = None

    def _covers(self, first: int, last: int) -> bool:
        """Make places for the days between, and say whether there are."""
        if len(self._dates):
            first, last = min(first, self._first), max(last, self._first + len(self._dates) - 1)
        if last - first >= SPAN:
            return False
        if more := last - first + 1 - len(self._dates):
            before = self._first - first if len(self._dates) else 0
            around = (before, more - before)
            self._dates, self._made = np.pad(self._dates, around), np.pad(self._made, around)
            self._first = first
        return True

    def _make(self, places: NDArray[np.int32]) -> None:
        self._dates[places] = _made(pa.array(places + np.int32(self._first), pa.int32()).cast(pa.date32()))
        self._made[places] = True


def _days(array: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.bool_] | None]:
    """Return days since 1970, to be changed, and where there is none; some day stands there."""
    days = array.cast(pa.int32())
    if not array.null_count:
        return np.array(days), None
    known = np.asarray(array.is_valid())
    return np.array(days.fill_null(days[int(known.argmax())])), ~known


def _made(array: pa.Array) -> Any:
    with python_s_dates():  # numpy would give a number for one that Python does not have
        return array.to_pandas().to_numpy()


@contextlib.contextmanager
def python_s_dates() -> Iterator[None]:
    """Turn what Arrow and pandas say of a date that Python does not have into a sentence without the cell."""
    try:
        yield
    except (ValueError, OverflowError):
        raise InvalidRequestError(NO_SUCH_DATE) from None
