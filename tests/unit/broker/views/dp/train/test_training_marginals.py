"""Tables for synthetic rows: the exact counts, the choice of the tree, and what all of it costs together."""

import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.broker.views.dp.domain import facts
from jupyter_secure.broker.views.dp.release import UNITS, Noise, Price, charged
from jupyter_secure.broker.views.dp.train import marginals
from jupyter_secure.broker.views.dp.train.bind import bind_training
from jupyter_secure.broker.views.dp.train.tables import CHOICE, MOST_COLUMNS, joining, rooted
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain
from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError
from jupyter_secure.protocol.trainingread import read_training
from tests.unit.broker.views.dp.train.test_training_fit import DOMAIN, EXACT, trained

KEYS = ("a", "b", "c")


@pytest.fixture(scope="module")
def chain():
    """Columns that follow one another: one leads to two, two to three, and four stands alone."""
    choice = np.random.default_rng(3)
    one = choice.integers(0, 3, 3000)
    two = np.where(choice.random(3000) < 0.8, one, choice.integers(0, 3, 3000))
    three = np.where(choice.random(3000) < 0.8, two, choice.integers(0, 3, 3000))
    four = choice.integers(0, 3, 3000)
    codes = {"one": one, "two": two, "three": three, "four": four}
    return pa.table({"pid": np.arange(3000)} | {name: np.array(KEYS)[code] for name, code in codes.items()})


CHAINED = DpDomain(
    dataset="d",
    privacy_unit="pid",
    contributions=2,
    max_rows=10**6,
    columns=tuple(CategoryDomain(name=name, keys=KEYS) for name in ("one", "two", "three", "four")),
)


def bound_to(domain, features, units=EXACT, **model):
    named = [each if isinstance(each, dict) else {"col": each} for each in features]
    text = json.dumps({"v": 1, "dataset": "d", "train": {"op": "marginals"} | model, "features": named})
    return bind_training(read_training(text), facts(domain), units)


def test_the_counts_are_those_of_pandas(chain, monkeypatch):
    monkeypatch.setattr("tests.unit.broker.views.dp.train.test_training_fit.DOMAIN", CHAINED)
    frame = chain.to_pandas()
    answer, result = trained(chain, {"op": "marginals"}, [{"col": name} for name in ("one", "two", "three", "four")])
    for place, name in enumerate(("one", "two", "three", "four")):
        counts = answer[(answer.part == "one") & (answer.feature == place)].value.to_numpy()
        assert np.abs(counts - [*(frame[name].value_counts()[key] for key in KEYS), 0]).max() <= 1
    parents = {int(row.feature): int(row.value) for row in answer[answer.part == "parent"].itertuples()}
    assert {frozenset(edge) for edge in parents.items()} >= {frozenset((0, 1)), frozenset((1, 2))}
    pair = answer[(answer.part == "pair") & (answer.feature == 1)].value.to_numpy().reshape(4, 4)
    expected = frame.groupby(["two", "one"]).size().unstack().to_numpy()
    assert np.abs(pair[:3, :3] - expected).max() <= 1
    assert set(result.errors) == {"count of a cell", "count of a pair"}


def test_every_table_is_taken_by_the_target(chain, monkeypatch):
    monkeypatch.setattr("tests.unit.broker.views.dp.train.test_training_fit.DOMAIN", CHAINED)
    features = [{"col": name} for name in ("one", "two", "three")]
    answer, _ = trained(chain, {"op": "marginals", "target": "two"}, features)
    frame = chain.to_pandas()
    total = answer[answer.part == "total"].value.to_numpy()
    assert np.abs(total - [*(frame.two.value_counts()[key] for key in KEYS), 0]).max() <= 1
    pair = answer[answer.part == "pair"].value.to_numpy().reshape(4, 4, 4)
    expected = frame.groupby(["three", "one", "two"]).size().unstack(fill_value=0)
    for (three, one), row in expected.iterrows():
        assert np.abs(pair[KEYS.index(three), KEYS.index(one), :3] - row.to_numpy()).max() <= 1


@pytest.mark.parametrize("names", [["one"], ["one", "two"], ["one", "two", "three", "four"]])
@pytest.mark.parametrize("units", [10**6, 123_456_789])
def test_all_releases_together_cost_at_most_what_was_offered(names, units):
    bound = bound_to(CHAINED, names, units)
    ones, first, _ = marginals.ones_noise(bound)
    pairs, last, _ = marginals.pairs_noise(bound)
    total = charged(ones, first)
    if len(names) > 1:
        rounds = len(names) - 1
        choice = marginals.noisy_max(bound.k, bound.price.times(CHOICE).part(rounds))
        total += charged(pairs, last) + rounds * Fraction(choice.map(bound.k))
    assert total <= Fraction(units, UNITS)
    assert total >= Fraction(units, UNITS) * Fraction(97, 100)  # and next to nothing is wasted


def told_apart(best, draws):
    """Return the log of how much more often a choice falls on one of two scores when one person turns both."""
    shares = [sum(best(scores) == 0 for _ in range(draws)) / draws for scores in ([0, 4], [1, 3])]
    return math.log(shares[1] / shares[0])


def test_the_choice_tells_neighbours_apart_no_better_than_it_says():
    rho = 0.125
    # Shares of 0.12 and 0.27 make 0.82; more than 0.11 (five deviations) off it comes once in a million runs.
    assert 0.7 <= told_apart(marginals.noisy_max(1, Price(int(rho * UNITS), "zcdp")), 20_000) <= math.sqrt(8 * rho)
    # Noise of half the width makes it 1.9, so it would be noticed.
    assert told_apart(marginals.noisy_max(1, Price(int(4 * rho * UNITS), "zcdp")), 3000) > math.sqrt(8 * rho)


@given(st.integers(2, 7), st.randoms(use_true_random=False))
def test_any_choice_ends_in_a_tree(width, choice):
    chosen = []
    while left := joining(width, chosen):
        chosen.append(choice.choice(left))
    assert len(chosen) == width - 1
    parents = rooted(chosen)
    assert sorted(parents) == list(range(1, width))
    known = {0}
    for child, parent in parents.items():
        assert parent in known
        assert tuple(sorted((child, parent))) in chosen
        known.add(child)


@pytest.mark.parametrize(
    ("names", "model", "says"),
    [
        (["x", "two"], {}, "edges"),
        (["two", "three"], {"target": "x"}, "one of the features"),
        (["two", {"col": "y", "edges": [50]}], {"target": "y"}, "a category with public keys"),
        ([{"col": "x", "edges": list(range(-9, 9))}, {"col": "y", "edges": list(range(1, 999))}], {}, "10,000 cells"),
    ],
)
def test_what_cannot_be_counted_is_refused_before_any_data(names, model, says):
    with pytest.raises(InvalidRequestError, match=says):
        bound_to(DOMAIN, names, **model)


def test_too_many_columns_and_too_small_a_budget_are_refused():
    names = [f"c{number}" for number in range(MOST_COLUMNS + 1)]
    many = DpDomain(
        dataset="d",
        privacy_unit="pid",
        contributions=1,
        columns=tuple(NumberDomain(name=name, lower=0, upper=1, resolution=1) for name in names),
    )
    with pytest.raises(InvalidRequestError, match="At most 40"):
        bound_to(many, [{"col": name, "edges": [1]} for name in names])
    for units in range(1, 40):
        with pytest.raises(BudgetError):
            bound_to(CHAINED, ["one", "two", "three", "four"], units)


def test_a_pair_that_adds_nothing_is_worth_less_than_nothing():
    table = np.einsum("i,j->ij", [30, 60], [1, 2])[:, :, None]
    totals, one, two = table.sum((0, 1)), table.sum(1), table.sum(0)
    assert marginals.worth(table, totals, one, two, Noise(0.0, "zcdp")) == 0
    assert marginals.worth(table, totals, one, two, Noise(10.0, "zcdp")) == -math.ceil(math.sqrt(2 / math.pi) * 40)
    joined = np.array([[90, 0], [0, 180]])[:, :, None]
    assert marginals.worth(joined, *(joined.sum(axis) for axis in ((0, 1), 1, 0)), Noise(0.0, "zcdp")) > 200


def test_columns_that_hold_nothing_are_counted_too(monkeypatch):
    monkeypatch.setattr("tests.unit.broker.views.dp.train.test_training_fit.DOMAIN", CHAINED)
    empty = pa.table({"pid": pa.array([], pa.int64())} | {name: pa.array([], pa.string()) for name in ("one", "two")})
    answer, _ = trained(empty, {"op": "marginals"}, [{"col": "one"}, {"col": "two"}])
    assert len(answer) == 1 + 4 + 4 + 1 + 16
    assert list(itertools.accumulate(answer.part.value_counts().sort_index())) == [8, 24, 25, 26]
