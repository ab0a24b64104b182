"""Epsilon measured for counts by groups, sums, means and quantiles, on thousands of pairs of neighbours at once.

One table holds many groups of the same rows, each an experiment of its own with noise of its own; in its neighbour's
table one person has gone from every group. For each event "the answer is at least t" both tables give a share; if one
exceeded e^epsilon times the other plus delta by more than chance allows, the claim would be false. The same measurement
on noise for one row of a person, where a person has six, shows that it would notice.
"""

import json

import numpy as np
import pyarrow as pa
import pytest
from msgspec import UNSET

from jupyter_secure.broker.ledger.accountant import PURE, units_of
from jupyter_secure.broker.views.dp import answer as answering
from jupyter_secure.broker.views.dp.job import Normalised, run
from jupyter_secure.broker.views.dp.sensitivity import sensitivity
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain
from jupyter_secure.protocol.queryread import read_question
from tests.attacks.measured import excess

pytestmark = pytest.mark.slow

K = 6
STAYING = 3  # people of a group who are in both tables
UNITS = {"zcdp": units_of("1", "1e-6"), "pure": units_of("1", PURE)}
COUNTED = {"op": "count", "as": "a"}
QUESTIONS = {
    "grouped counts": (COUNTED, 30_000),
    "sum": ({"op": "sum", "col": "age", "as": "a"}, 20_000),
    "mean": ({"op": "mean", "col": "age", "as": "a"}, 30_000),
    "quantile": ({"op": "quantile", "col": "age", "q": 0.9, "lower": 14, "as": "a"}, 12_000),
}


def table(groups, people):
    """Return `groups` equal groups of so many people with K rows each; the last of them is at the upper bound."""
    rows = people * K
    ages = np.where(np.arange(rows) // K == STAYING, 15, 0)
    return pa.table(
        {
            "pid": np.arange(groups * rows) // K,
            "age": np.tile(ages, groups),
            "g": pa.array([f"g{number}" for number in range(groups)]).take(pa.array(np.arange(groups).repeat(rows))),
        }
    )


def answers(data, agg, groups, measure):
    domain = DpDomain(
        dataset="d",
        privacy_unit="pid",
        contributions=K,
        columns=(
            NumberDomain(name="age", lower=0, upper=15, resolution=1),
            CategoryDomain(name="g", keys=tuple(f"g{number}" for number in range(groups))),
        ),
        measure=UNSET if measure == "zcdp" else measure,
    )
    fields = {"v": 1, "dataset": "d", "group_by": [{"col": "g"}], "aggs": [agg]}
    question = read_question(json.dumps(fields))
    asked = DpQuestion(question=question, domain=domain, version="v", units=UNITS[measure], bounding_key=bytes(32))
    stream = run(asked, lambda names: data.select(list(names)), Normalised(), lambda: None).stream
    return np.asarray(pa.ipc.open_stream(stream).read_all()["a"])[:groups].astype(float)


def measured(agg, groups, measure):
    """Return by how much the worst event exceeds the claim beyond chance; at most 0 where the claim holds."""
    sides = (answers(table(groups, people), agg, groups, measure) for people in (STAYING + 1, STAYING))
    return excess(*sides, UNITS[measure], measure)


@pytest.mark.parametrize("measure", UNITS)
@pytest.mark.parametrize("name", QUESTIONS)
def test_the_measured_epsilon_is_never_above_the_claim(name, measure):
    assert measured(*QUESTIONS[name], measure) <= 0


@pytest.mark.parametrize("measure", UNITS)
@pytest.mark.parametrize("name", QUESTIONS)
def test_noise_for_one_row_of_a_person_would_be_noticed(name, measure, monkeypatch):
    monkeypatch.setattr(answering, "sensitivity", lambda part, k: sensitivity(part, 1))
    assert measured(*QUESTIONS[name], measure) > 0
