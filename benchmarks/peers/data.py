"""The rows that every library is asked about, what is asked, and how wrong an answer is.

One row per person: an income between public bounds, one of 100 towns, one of 50 bins of income. numpy alone, because
this module is imported in every library's own environment.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROWS = 1_000_000
LOWER, UPPER = 0, 200_000
BINS, TOWNS = 50, 100
QUANTILES = (0.2, 0.4, 0.6, 0.8)
EDGES = [LOWER + number * (UPPER - LOWER) // BINS for number in range(BINS + 1)]
NAMES = [f"t{number:02}" for number in range(TOWNS)]
Floats = NDArray[np.float64]
Asking = Callable[[], Floats]  # asks one question again and returns its numbers, in a fixed order


@dataclass(frozen=True)
class People:
    """Columns of equal length; `town` numbers `NAMES`, `bin` is what most libraries need instead of edges."""

    income: Floats
    town: NDArray[np.int64]
    bin: NDArray[np.int64]

    @classmethod
    def make(cls, rows: int = ROWS) -> People:
        """Return the same people every time."""
        chance = np.random.default_rng(7)
        income = np.clip(np.round(chance.lognormal(10.5, 0.6, rows), 2), LOWER, UPPER)
        bins = np.minimum(np.searchsorted(EDGES, income, "right") - 1, BINS - 1)
        return cls(income, chance.integers(0, TOWNS, rows), bins)

    @classmethod
    def read(cls, path: pathlib.Path) -> People:
        """Return what `write` wrote."""
        with np.load(path) as found:
            return cls(found["income"], found["town"], found["bin"])

    def write(self, path: pathlib.Path) -> None:
        """Write an `.npz` file, which every environment can read."""
        np.savez(path, income=self.income, town=self.town, bin=self.bin)


def truth(people: People) -> dict[str, Floats]:
    """Return the exact answers, by question."""
    sums = np.bincount(people.town, people.income, TOWNS)
    return {
        "count": np.array([float(len(people.income))]),
        "mean": np.array([people.income.mean()]),
        "histogram": np.bincount(people.bin, minlength=BINS).astype(np.float64),
        "quantiles": np.quantile(people.income, QUANTILES),
        "grouped": sums / np.maximum(np.bincount(people.town, minlength=TOWNS), 1),
    }


def error(question: str, answers: Floats, people: People) -> float:
    """Return the mean absolute error of answers (one row each), for quantiles in ranks.

    Not the median: of integer noise around zero it jumps between 0 and 1.
    """
    if question == "quantiles":
        return float(np.mean(rank_errors(answers, np.sort(people.income))))
    return float(np.mean(np.abs(answers - truth(people)[question])))


def rank_errors(answers: Floats, ordered: Floats) -> Floats:
    """Return how many rows lie between each answer and the place it should have; none inside a run of equal rows."""
    wanted = np.array(QUANTILES) * len(ordered)
    below, upto = np.searchsorted(ordered, answers, "left"), np.searchsorted(ordered, answers, "right")
    return np.maximum(np.maximum(below - wanted, wanted - upto), 0.0)
