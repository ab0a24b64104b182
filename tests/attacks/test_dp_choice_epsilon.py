"""Epsilon measured for a quantile of a whole column: what the looks release, and the value that is picked.

Two tables of neighbours are answered six hundred times each. In one a person with sixty rows is not there: the quantile
then lies in the lower half of the column, and with that person in the upper half. The looks are measured by themselves,
on a cell that only the person's rows lie in, because a picked value says next to nothing of them. Noise for one row of
a person, in the choice or in the looks, shows that the measurement would notice.
"""

import json

import numpy as np
import pytest
from msgspec import UNSET

from jupyter_secure.broker.ledger.accountant import PURE, units_of
from jupyter_secure.broker.views.dp import looks, refine
from jupyter_secure.broker.views.dp.answer import answer
from jupyter_secure.broker.views.dp.bind import bind
from jupyter_secure.broker.views.dp.domain import facts
from jupyter_secure.broker.views.dp.normalise import Normal
from jupyter_secure.broker.views.dp.rows import Leaves
from jupyter_secure.protocol.dpdomain import DpDomain, NumberDomain
from jupyter_secure.protocol.queryread import read_question
from tests.attacks.measured import excess

pytestmark = pytest.mark.slow

K = 60
TOP = 1499
RUNS = 600
UNITS = {"zcdp": units_of("1", "1e-6"), "pure": units_of("1", PURE)}
QUESTION = {"v": 1, "dataset": "d", "aggs": [{"op": "quantile", "col": "x", "q": 0.9, "as": "a"}]}
STAYING = np.linspace(0, TOP // 2, 200).astype(np.int64)


def bound_in(measure):
    domain = DpDomain(
        dataset="d",
        privacy_unit="pid",
        contributions=K,
        columns=(NumberDomain(name="x", lower=0, upper=TOP, resolution=1),),
        measure=UNSET if measure == "zcdp" else measure,
    )
    return bind(read_question(json.dumps(QUESTION)), facts(domain), UNITS[measure])


def picked(measure):
    """Return how far the values that are picked exceed the claim for the whole question."""
    bound = bound_in(measure)

    def values(rows):
        columns, used = {"x": Normal(rows, np.zeros(len(rows), bool))}, np.ones(len(rows), bool)
        return np.array([answer(bound, columns, used, lambda: None).table["a"][0].as_py() for _ in range(RUNS)])

    more = np.append(STAYING, np.linspace(TOP // 2, TOP, K).astype(np.int64))
    return excess(values(more), values(STAYING), UNITS[measure], measure)


def looked(measure):
    """Return how far what is seen of the first cell exceeds the claim for all looks together."""
    bound = bound_in(measure)
    plan = refine.refinement(bound.parts[0], bound).looks

    def rows_in_the_first_cell(rows):
        leaves = Leaves(plan.part, rows, np.ones(len(rows), bool))
        end = leaves.borders(looks.CELLS)[1]
        found = (looks.look(plan, leaves) for _ in range(RUNS))
        return np.array([seen.below[np.searchsorted(seen.codes, end)] for seen in found])

    away = np.full(200, TOP)
    sides = (rows_in_the_first_cell(rows) for rows in (np.append(away, np.zeros(K, np.int64)), away))
    return excess(*sides, plan.price.units * looks.LOOKS, measure)


@pytest.mark.parametrize("measure", UNITS)
@pytest.mark.parametrize("told", [picked, looked])
def test_the_measured_epsilon_is_never_above_the_claim(told, measure):
    assert told(measure) <= 0


@pytest.mark.parametrize("measure", UNITS)
def test_a_choice_with_noise_for_one_row_would_be_noticed(measure, monkeypatch):
    true = refine.noisy_max
    monkeypatch.setattr(refine, "noisy_max", lambda k, price: true(k // K, price))
    assert picked(measure) > 0


@pytest.mark.parametrize("measure", UNITS)
def test_looks_with_noise_for_one_row_would_be_noticed(measure, monkeypatch):
    true = looks.sensitivity
    monkeypatch.setattr(looks, "sensitivity", lambda part, _: true(part, 1))
    assert looked(measure) > 0
