"""Calendar bins of whole days: years to days, and the quarters, months and weekdays that come round.

All of it is a function of the day and of the policy's bounds, computed in whole numbers, so every day within the bounds
has its bin and nothing can be refused once a question is bound. Weeks begin on Monday (ISO 8601).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Whole = NDArray[np.int64]
MONDAY = 3  # 1970-01-01 was a Thursday
PER_YEAR = {"month_of_year": 12, "quarter_of_year": 4}


def bins(part: str, days: Whole) -> Whole:
    """Return the number of each day's bin; calendar bins count from 1970, the others from 1."""
    if part == "day":
        return days
    if part == "week":
        return (days + MONDAY) // 7
    if part == "weekday":
        return (days + MONDAY) % 7 + 1
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    if part in PER_YEAR:
        return months % 12 // (12 // PER_YEAR[part]) + 1
    return months // {"month": 1, "quarter": 3, "year": 12}[part]


def span(part: str, first: int, last: int) -> tuple[int, int]:
    """Return the first and the last bin of the days from `first` to `last`; all of them, where they come round."""
    if part in (*PER_YEAR, "weekday"):
        return 1, PER_YEAR.get(part, 7)
    low, high = bins(part, np.array([first, last], dtype=np.int64))
    return int(low), int(high)


def labels(part: str, first: int, last: int) -> tuple[object, ...]:
    """Return what the answer calls the bins: the first day of each, or a whole number of a year or what comes round."""
    numbers = np.arange(first, last + 1)
    if part in (*PER_YEAR, "weekday"):
        return tuple(numbers.tolist())
    if part == "year":
        return tuple((numbers + 1970).tolist())
    if part in ("day", "week"):
        days = numbers if part == "day" else numbers * 7 - MONDAY
    else:
        months = numbers * (3 if part == "quarter" else 1)
        days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return tuple(pa.array(days, pa.int32()).cast(pa.date32()).to_pylist())
