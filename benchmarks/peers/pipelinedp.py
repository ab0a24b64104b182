"""PipelineDP on its local backend: Google's Laplace noise and quantile trees (python-dp), public partitions.

With public partitions delta is not spent. Rows are made into tuples beforehand, which is not timed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pipeline_dp as dp

from .data import BINS, LOWER, QUANTILES, TOWNS, UPPER, Asking, Floats, People
from .terms import DELTA, EPSILON


def ready(people: People) -> dict[str, Asking]:
    """Return what asks each question."""
    numbers = range(len(people.income))
    rows = list(zip(numbers, people.income.tolist(), people.town.tolist(), people.bin.tolist(), strict=True))

    def ask(metrics: list[Any], place: int | None, keys: int) -> Asking:
        def once() -> Floats:
            found = _aggregated(rows, metrics, place, list(range(keys)))
            return np.array([value for key in range(keys) for value in found[key]], dtype=float)

        return once

    return {
        "count": ask([dp.Metrics.COUNT], None, 1),
        "mean": ask([dp.Metrics.MEAN], None, 1),
        "histogram": ask([dp.Metrics.COUNT], 3, BINS),
        "quantiles": ask([dp.Metrics.PERCENTILE(100 * q) for q in QUANTILES], None, 1),
        "grouped": ask([dp.Metrics.MEAN], 2, TOWNS),
    }


def _aggregated(rows: list[Any], metrics: list[Any], place: int | None, keys: list[int]) -> dict[int, Any]:
    accountant = dp.NaiveBudgetAccountant(total_epsilon=EPSILON, total_delta=DELTA)
    found = dp.DPEngine(accountant, dp.LocalBackend()).aggregate(
        rows,
        dp.AggregateParams(
            metrics=metrics,
            max_partitions_contributed=1,
            max_contributions_per_partition=1,
            min_value=LOWER,
            max_value=UPPER,
        ),
        dp.DataExtractors(
            privacy_id_extractor=lambda row: row[0],
            partition_extractor=lambda row: 0 if place is None else row[place],
            value_extractor=lambda row: row[1],
        ),
        public_partitions=keys,
    )
    accountant.compute_budgets()
    return dict(found)
