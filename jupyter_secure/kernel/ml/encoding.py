"""Columns of an ordinary frame as the cells of a model, the way the broker made them when it trained.

A category has a cell for each public key and one for all else; a number with cut points has one for each interval and
one for missing values; a number without is scaled to -1..1 by its public bounds (docs/spec/training-v1.md). A date is
the number of its day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import DpColumn

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Encoded:
    """One column of a model.

    Attributes:
        first: its first cell.
        keys: of a category; None for a number.
        edges: cut points of a number; None where it is scaled.
        date: the numbers are days since 1970-01-01.
    """

    name: str
    first: int
    keys: tuple[str, ...] | None
    edges: tuple[float, ...] | None
    lower: float
    upper: float
    date: bool = False

    @property
    def cells(self) -> int:
        """Return how many cells it has."""
        if self.keys is not None:
            return len(self.keys) + 1
        return 1 if self.edges is None else len(self.edges) + 2

    @property
    def cell_names(self) -> list[str]:
        """Return a name for each cell, for people."""
        if self.keys is not None:
            return [f"{self.name}={key}" for key in self.keys] + [f"{self.name}=other"]
        if self.edges is None:
            return [self.name]
        inner = [f"{self.name} {low:g} to {high:g}" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        ends = f"{self.name} < {self.edges[0]:g}", f"{self.name} >= {self.edges[-1]:g}"
        return [ends[0], *inner, ends[1], f"{self.name} missing"]

    def cell(self, column: Any) -> NDArray[np.int64]:
        """Return the cell of each value, counted inside this column."""
        if self.keys is not None:
            found = pd.Index(self.keys).get_indexer(pd.Index(_text(column)))
            return np.where(found < 0, len(self.keys), found).astype(np.int64)
        values = self._values(column)
        inside = np.clip(values, self.lower, self.upper)
        place = np.searchsorted(np.array(self.edges), inside, side="right")
        return np.where(np.isnan(values), self.cells - 1, place).astype(np.int64)

    def scaled(self, column: Any) -> Numbers:
        """Return each value from -1 to 1, 0 where it is missing."""
        values = np.clip(self._values(column), self.lower, self.upper)
        span = self.upper - self.lower or 1.0
        return np.where(np.isnan(values), 0.0, 2 * (values - self.lower) / span - 1)

    def _values(self, column: Any) -> Numbers:
        return _days(column, self.name) if self.date else _numbers(column, self.name)

    def unscaled(self, values: Numbers) -> Numbers:
        """Return values in the column's own unit."""
        return (values + 1) / 2 * (self.upper - self.lower) + self.lower


class Encoding:
    """All columns of one model."""

    def __init__(self, columns: Sequence[Encoded]) -> None:
        self.columns = tuple(columns)
        self.cells = sum(column.cells for column in columns)

    @property
    def names(self) -> list[str]:
        """Return the columns' names."""
        return [column.name for column in self.columns]

    def features(self) -> list[dict[str, Any]]:
        """Return the `features` of the training."""
        return [
            {"col": column.name} if column.edges is None else {"col": column.name, "edges": list(column.edges)}
            for column in self.columns
        ]

    def scores(self, frame: Any, weight: Numbers, start: Numbers) -> Numbers:
        """Return `start` and, added to it, the weights of the cells that each row touches; shape (rows, outputs)."""
        frame = self.check(frame)
        total = np.tile(start, (len(frame), 1))
        for column in self.columns:
            own = weight[column.first : column.first + column.cells]
            if column.keys is None and column.edges is None:
                total += column.scaled(frame[column.name])[:, None] * own
            else:
                total += own[column.cell(frame[column.name])]
        return total

    def points(self, frame: Any) -> Numbers:
        """Return the scaled values, shape (rows, columns)."""
        frame = self.check(frame)
        return np.stack([column.scaled(frame[column.name]) for column in self.columns], axis=1)

    def check(self, frame: Any) -> Any:
        """Return a frame that has all columns.

        Raises:
            InvalidRequestError: it is no frame, or columns are missing; the sentence names them.
        """
        if not isinstance(frame, pd.DataFrame):
            raise InvalidRequestError("Predict from a pandas frame that has the columns the model was trained on.")
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            raise InvalidRequestError(f"The frame lacks columns of the model: {', '.join(missing)}.")
        return frame


def encoding(
    columns: Mapping[str, DpColumn], names: Sequence[str], edges: Mapping[str, Sequence[float]], bins: int | None
) -> Encoding:
    """Return how these columns enter a model.

    Args:
        columns: the public facts of a handle's columns.
        names: the columns to learn from.
        edges: public cut points by column.
        bins: a number without cut points gets so many equal intervals between its bounds; None scales it.

    Raises:
        InvalidRequestError: a name is unknown, or cut points are given to a category.
    """
    unknown = [name for name in [*names, *edges] if name not in columns]
    if unknown:
        raise InvalidRequestError(f"There is no such column: {', '.join(unknown)}. There are: {', '.join(columns)}.")
    found: list[Encoded] = []
    for name in names:
        first = found[-1].first + found[-1].cells if found else 0
        found.append(_encoded(columns[name], first, edges.get(name), bins))
    return Encoding(found)


def _encoded(column: DpColumn, first: int, edges: Sequence[float] | None, bins: int | None) -> Encoded:
    if column.kind == "category":
        if edges is not None:
            raise InvalidRequestError(f"`{column.name}` is a category: give no `edges`, its cells are its public keys.")
        return Encoded(column.name, first, column.keys, None, 0.0, 0.0)
    lower, upper = float(column.lower or 0), float(column.upper or 0)
    if edges is None and bins is not None:
        edges = [lower + (upper - lower) * each / bins for each in range(1, bins)]
    cuts = None if edges is None else tuple(_plain(edge) for edge in edges)
    return Encoded(column.name, first, None, cuts, lower, upper, column.kind == "date")


def _plain(edge: Any) -> float:
    value = float(edge)
    return int(value) if value.is_integer() else value


def _text(column: Any) -> NDArray[np.object_]:
    # As the broker compares: booleans in small letters, everything else by its text.
    values = pd.Series(column).astype(object)
    return np.array([str(each).lower() if isinstance(each, bool | np.bool_) else str(each) for each in values], object)


def _days(column: Any, name: str) -> Numbers:
    """Return the days since 1970-01-01 of dates and times, as their zone writes them; numbers are days already."""
    values = pd.Series(column)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _numbers(values, name)
    try:
        moments = pd.to_datetime(values)
    except (TypeError, ValueError):
        raise InvalidRequestError(f"The column `{name}` holds values that are no dates.") from None
    days = moments.dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(np.float64))


def _numbers(column: Any, name: str) -> Numbers:
    try:
        return np.asarray(pd.to_numeric(pd.Series(column)), dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidRequestError(f"The column `{name}` holds values that are no numbers.") from None
