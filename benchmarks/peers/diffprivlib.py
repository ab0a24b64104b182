"""IBM's diffprivlib: pure epsilon 1, Laplace and geometric noise; it has no use for a delta.

Its `mean` divides by the true number of rows, which is a weaker promise than counting them with noise.
"""

from __future__ import annotations

import numpy as np
from diffprivlib import tools

from .data import BINS, LOWER, QUANTILES, TOWNS, UPPER, Asking, Floats, People
from .terms import EPSILON


def ready(people: People) -> dict[str, Asking]:
    """Return what asks each question."""
    income, bounds = people.income, (LOWER, UPPER)

    def grouped() -> Floats:
        # Towns share no rows, so each may spend all of epsilon.
        order = np.argsort(people.town, kind="stable")
        ends = np.cumsum(np.bincount(people.town, minlength=TOWNS))[:-1]
        return np.array([tools.mean(of, epsilon=EPSILON, bounds=bounds) for of in np.split(income[order], ends)])

    return {
        "count": lambda: np.array([float(tools.count_nonzero(income >= LOWER, epsilon=EPSILON))]),
        "mean": lambda: np.array([tools.mean(income, epsilon=EPSILON, bounds=bounds)]),
        "histogram": lambda: tools.histogram(income, epsilon=EPSILON, bins=BINS, range=bounds)[0].astype(float),
        "quantiles": lambda: np.asarray(tools.quantile(income, QUANTILES, epsilon=EPSILON, bounds=bounds)),
        "grouped": grouped,
    }
