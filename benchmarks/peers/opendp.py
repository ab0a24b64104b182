"""OpenDP's Context over polars: at (1, 1e-6) it adds integer Laplace noise at pure epsilon 1 and spends no delta.

Incomes are whole cents, which spares it the slack of float sums. Quantiles are picked from a public grid of $1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import opendp.prelude as dp
import polars as pl

from .data import BINS, LOWER, QUANTILES, TOWNS, UPPER, Asking, Floats, People
from .terms import DELTA, EPSILON

dp.enable_features("contrib")
CENTS = 100
MOST_ROWS = 10**7


def ready(people: People) -> dict[str, Asking]:
    """Return what asks each question."""
    cents = np.rint(people.income * CENTS).astype(np.int64)
    rows = pl.LazyFrame({"income": cents, "town": people.town, "bin": people.bin.astype(np.int64)})
    income, bounds = pl.col("income").fill_null(0), (LOWER * CENTS, UPPER * CENTS)
    grid = list(range(bounds[0], bounds[1] + 1, CENTS))
    quantiles = [income.dp.quantile(q, grid).alias(str(q)) for q in QUANTILES]
    count = dp.len(signed=True)

    def ask(query: Callable[[Any], Any], unit: int = 1) -> Asking:
        return lambda: _values(query(_context(rows).query()).release().collect()) / unit

    return {
        "count": ask(lambda query: query.select(count)),
        "mean": ask(lambda query: query.select(income.dp.mean(bounds)), CENTS),
        "histogram": ask(lambda query: query.group_by("bin").agg(count).with_keys(_keys("bin", BINS))),
        "quantiles": ask(lambda query: query.select(*quantiles), CENTS),
        "grouped": ask(
            lambda query: query.group_by("town").agg(income.dp.mean(bounds)).with_keys(_keys("town", TOWNS)), CENTS
        ),
    }


def _context(rows: Any) -> Any:
    return dp.Context.compositor(
        data=rows,
        privacy_unit=dp.unit_of(contributions=1),
        privacy_loss=dp.loss_of(epsilon=EPSILON, delta=DELTA),
        split_evenly_over=1,
        margins=[dp.polars.Margin(max_length=MOST_ROWS)],
    )


def _keys(column: str, number: int) -> Any:
    return pl.LazyFrame({column: np.arange(number)})


def _values(found: Any) -> Floats:
    """Return the numbers of one row in its order, or of one column in the order of its keys."""
    if found.height == 1:
        return np.array(found.row(0), dtype=float)
    return found.sort(found.columns[0]).get_column(found.columns[1]).to_numpy().astype(float)
