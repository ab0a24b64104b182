"""SmartNoise SQL over a pandas frame: Laplace and geometric noise; a mean costs a sum and a count.

`Privacy` speaks of each column of noise, so a mean is asked at half of epsilon: `get_privacy_cost` then says 1. Keys
are declared public (`censor_dims` off), as they are for everybody else. It has no quantiles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from snsql import Privacy, from_connection

from .data import LOWER, NAMES, UPPER, Asking, Floats, People
from .terms import DELTA, EPSILON

TABLE = {
    "row_privacy": True,
    "censor_dims": False,
    "clamp_counts": False,
    "max_ids": 1,
    "income": {"type": "float", "lower": LOWER, "upper": UPPER},
    "town": {"type": "string"},
    "bin": {"type": "int"},
}


def ready(people: People) -> dict[str, Asking]:
    """Return what asks each question."""
    frame = pd.DataFrame({"income": people.income, "town": np.array(NAMES)[people.town], "bin": people.bin})
    metadata = {"": {"s": {"people": TABLE | {"rows": len(frame)}}}}

    def ask(query: str) -> Asking:
        once = from_connection(frame, privacy=Privacy(epsilon=EPSILON, delta=DELTA), metadata=metadata)
        share = EPSILON / once.get_privacy_cost(query)[0]
        reader = from_connection(frame, privacy=Privacy(epsilon=EPSILON * share, delta=DELTA), metadata=metadata)
        return lambda: _values(reader.execute(query))

    return {
        "count": ask("SELECT COUNT(*) AS n FROM s.people"),
        "mean": ask("SELECT AVG(income) AS m FROM s.people"),
        "histogram": ask("SELECT bin, COUNT(*) AS n FROM s.people GROUP BY bin"),
        "grouped": ask("SELECT town, AVG(income) AS m FROM s.people GROUP BY town"),
    }


def _values(found: list[Any]) -> Floats:
    return np.array([float(row[-1]) for row in sorted(found[1:])])
