"""Epsilon measured for the tables of synthetic rows, on thousands of pairs of neighbours.

One person has twelve equal rows in cells where nobody else is. What an attacker sees is summed up as the likelihood
would: each released count that the person moves, by the inverse square of its noise. If one side's share of any event
exceeded e^epsilon times the other's plus delta by more than chance allows, the claim would be false. Noise for one row,
where the person has twelve, shows that it would be noticed.
"""

import json
import math

import numpy as np
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from jupyter_secure.broker.ledger.accountant import PURE, epsilon_of, units_of
from jupyter_secure.broker.views.dp.domain import facts
from jupyter_secure.broker.views.dp.normalise import Normal
from jupyter_secure.broker.views.dp.train import marginals
from jupyter_secure.broker.views.dp.train.bind import bind_training
from jupyter_secure.broker.views.dp.train.encode import design
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain
from jupyter_secure.protocol.trainingread import read_training

pytestmark = pytest.mark.slow

K = 12
RUNS = 1500
DELTAS = {"zcdp": "1e-6", "pure": PURE}
UNITS = {measure: units_of("1", delta) for measure, delta in DELTAS.items()}
MEASURES = {"zcdp": UNSET, "pure": "pure"}
NAMES = ("one", "two", "three")
DOMAIN = DpDomain(
    dataset="d",
    privacy_unit="pid",
    contributions=K,
    columns=tuple(CategoryDomain(name=name, keys=("a", "b")) for name in NAMES),
)
TRAINING = {"v": 1, "dataset": "d", "train": {"op": "marginals"}, "features": [{"col": name} for name in NAMES]}


def seen(people, measure):
    """Return the statistic over many releases of the same rows; the fifth person, if there, has `b` throughout."""
    bound = bind_training(
        read_training(json.dumps(TRAINING)), facts(replace(DOMAIN, measure=MEASURES[measure])), UNITS[measure]
    )
    codes = np.repeat([0] * 4 + [1] * (people - 4), K)
    columns = {name: Normal(codes, np.zeros(len(codes), bool)) for name in NAMES}
    counted = marginals.Counted(bound, design(bound.blocks, columns, np.ones(len(codes), bool)))
    first, last = marginals.ones_noise(bound)[0].scale ** 2, marginals.pairs_noise(bound)[0].scale ** 2
    found = []
    for _ in range(RUNS):
        totals, ones, pairs = marginals.release_tables(bound, counted)
        alone = totals[0] + sum(one[1, 0] for one in ones)
        found.append(alone / first + sum(pair[1, 1, 0] for pair in pairs.values()) / last)
    return np.sort(found)


def excess(measure):
    """Return by how much the worst event exceeds the claim beyond chance; at most 0 where the claim holds."""
    more, less = seen(5, measure), seen(4, measure)
    chance = math.sqrt(math.log(2e9) / (2 * RUNS))  # Dvoretzky, Kiefer, Wolfowitz: for all events at once
    at = np.unique(np.concatenate([more, less]))
    above = [1 - np.searchsorted(side, at, side="left") / RUNS for side in (more, less)]
    factor = math.exp(float(epsilon_of(UNITS[measure], DELTAS[measure])))
    sides = (above, above[::-1], [1 - share for share in above], [1 - share for share in above[::-1]])
    return max(float(np.max(one - factor * two)) for one, two in sides) - (1 + factor) * chance


@pytest.mark.parametrize("measure", DELTAS)
def test_the_measured_epsilon_of_all_tables_together_is_never_above_the_claim(measure):
    assert excess(measure) <= 0


@pytest.mark.parametrize("measure", DELTAS)
def test_noise_for_one_row_of_a_person_would_be_noticed(measure, monkeypatch):
    true = marginals.of_rows
    monkeypatch.setattr(marginals, "of_rows", lambda tables, square, _: true(tables, square, 1))
    assert excess(measure) > 0
