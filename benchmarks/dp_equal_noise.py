"""`dp.equal_noise_14`, `_28`: how many counts of equal noise (3, 1e-6) pays for, against adding up epsilons.

No data and no clock, so the numbers are the same everywhere, and a unit test asserts them. Ours: the cheapest count
that the release calibrates to that standard deviation or less, reserved in a real ledger until it refuses. The
baseline: Laplace noise of the same standard deviation, whose epsilon is OpenDP's, added up. The limit is the least.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left

import opendp.prelude as dp

from jupyter_secure.broker.ledger.accountant import units_of
from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.ledger.scope import Scope
from jupyter_secure.broker.store.database import create, open_database
from jupyter_secure.broker.views.dp.release import Price, noise_for
from jupyter_secure.broker.views.dp.sensitivity import Sensitivity
from jupyter_secure.protocol.errors import BudgetError

EPSILON, DELTA = "3", "1e-6"
LIMITS = {14: 2.4, 28: 4.9}  # by standard deviation of the noise
SCOPE = Scope("dataset", "people")


def measure() -> list[dict[str, object]]:
    """Return the figures."""
    return [_figure(deviation, limit) for deviation, limit in LIMITS.items()]


def _figure(deviation: int, limit: float) -> dict[str, object]:
    ours, added = answered(deviation), added_up(deviation)
    return {
        "name": f"dp.equal_noise_{deviation}",
        "value": ours,
        "unit": "counts",
        "baseline": added,
        "ratio": round(ours / added, 2),
        "limit": limit,
        "over": ours / added < limit,
    }


def answered(deviation: float) -> int:
    """Return how many counts the ledger lets through."""
    cap = units_of(EPSILON, DELTA)
    price = 1 + bisect_left(range(1, cap), -deviation, key=_scale)
    engine = open_database("sqlite://")
    try:
        create(engine)
        ledger = Ledger(engine)
        ledger.set_cap(SCOPE, cap)
        return _reserved(ledger, price)
    finally:
        engine.dispose()


def _scale(units: int) -> float:
    return -noise_for(Sensitivity(1, 1), Price(units, "zcdp")).scale


def _reserved(ledger: Ledger, price: int) -> int:
    number = 0
    while True:
        try:
            ledger.reserve(hashlib.sha256(b"%d" % number).hexdigest(), (SCOPE,), price)
        except BudgetError:
            return number
        number += 1


def added_up(deviation: float) -> int:
    """Return how many counts with Laplace noise fit if their epsilons are added up; delta does not help them."""
    dp.enable_features("contrib")
    scale = deviation / math.sqrt(2)  # of a variance of 2 scale^2
    each = dp.m.make_laplace(dp.atom_domain(T="i64"), dp.absolute_distance(T="i64"), scale=scale).map(1)
    return math.floor(float(EPSILON) / each)


if __name__ == "__main__":
    for figure in measure():
        print(figure)
