"""This project's engine, as a worker runs it: columns normalised already, noise from the budget of one question.

In the measure `pure` the ledger takes epsilon 1 and noise is Laplace noise; in `zcdp` it takes rho 0.0244 for (1, 1e-6)
and noise is Gaussian. The whole way to a notebook is timed in `notebook`, not here.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from jupyter_secure.broker.ledger.accountant import PURE, units_of
from jupyter_secure.broker.views.dp.job import Normalised, run
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.protocol.dataset import Measure
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain
from jupyter_secure.protocol.queryread import read_question

from .data import BINS, LOWER, NAMES, QUANTILES, TOWNS, UPPER, Asking, Floats, People
from .terms import DELTA, EPSILON

AGGREGATES: dict[str, dict[str, Any]] = {
    "count": {"aggs": [{"op": "count"}]},
    "mean": {"aggs": [{"op": "mean", "col": "income"}]},
    "histogram": {"group_by": [{"col": "income", "width": (UPPER - LOWER) // BINS}], "aggs": [{"op": "count"}]},
    "quantiles": {"aggs": [{"op": "quantile", "col": "income", "q": q, "as": f"q{q}"} for q in QUANTILES]},
    "grouped": {"group_by": [{"col": "town"}], "aggs": [{"op": "mean", "col": "income"}]},
}
DOMAIN = DpDomain(
    dataset="people",
    privacy_unit="pid",
    contributions=1,
    max_rows=10**8,
    columns=(
        NumberDomain(name="income", lower=LOWER, upper=UPPER, resolution=0.01),
        CategoryDomain(name="town", keys=tuple(NAMES)),
    ),
)


def table(people: People) -> pa.Table:
    """Return the people as they are sealed."""
    names = pa.array(NAMES).take(pa.array(people.town))
    return pa.table({"pid": np.arange(len(people.income)), "income": people.income, "town": names})


def question(name: str, turn: int = 0) -> dict[str, Any]:
    """Return a question; another turn names its numbers otherwise, which makes it another question."""
    asked = json.loads(json.dumps(AGGREGATES[name]))
    for place, agg in enumerate(asked["aggs"]):
        agg["as"] = f"n{turn}_{place}"
    return {"v": 1, "dataset": "people", **asked}


def ready(people: People, measure: Measure) -> dict[str, Asking]:
    """Return what asks each question of a dataset of that measure."""
    rows, held = table(people), Normalised()
    return {name: _asking(name, rows, held, measure) for name in AGGREGATES}


def _asking(name: str, rows: pa.Table, held: Normalised, measure: Measure) -> Asking:
    pure = measure == "pure"
    asked = DpQuestion(
        question=read_question(json.dumps(question(name))),
        domain=replace(DOMAIN, measure="pure") if pure else DOMAIN,
        version="v1",
        units=units_of(str(EPSILON), PURE if pure else f"{DELTA:.7f}"),
        bounding_key=bytes(range(32)),
    )

    def once() -> Floats:
        result = run(asked, lambda columns: rows.select(list(columns)), held, lambda: None)
        return values(name, pa.ipc.open_stream(result.stream).read_all())

    return once


def values(name: str, answer: pa.Table) -> Floats:
    """Return the numbers that other libraries answer too: no margins, no slot of those without a public key."""
    columns = [column for column in answer.column_names if column.startswith("n") and not column.endswith("_margin")]
    found = np.concatenate([answer[column].to_numpy().astype(float) for column in columns])
    if name == "histogram":
        found[BINS - 1] += found[BINS:-1].sum()  # the upper bound stands in a bin of its own
    return found[: {"histogram": BINS, "grouped": TOWNS}.get(name)]
