"""Keys that nobody listed: what one person can change of such a release, counted, measured, and on every table."""

import asyncio
import io
import json
import math
import sys
from collections import Counter
from fractions import Fraction

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_secure.broker.ledger.accountant import epsilon_of, units_of
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.views.dp import opened as opening
from jupyter_secure.broker.views.dp.aggregate import PERSONS, aggregate
from jupyter_secure.broker.views.dp.bind import bind
from jupyter_secure.broker.views.dp.domain import facts
from jupyter_secure.broker.views.dp.job import Normalised, run
from jupyter_secure.broker.views.dp.normalise import bound_contributions, normalise, numbered
from jupyter_secure.broker.views.dp.opened import LEAST, MOST_RHO, Opened, calibrated, charged_open, release_open
from jupyter_secure.broker.views.dp.sensitivity import PersonsPart
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.cli import main as command
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain, OpenDomain
from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError, PolicyError
from jupyter_secure.protocol.messages import Load, Query
from jupyter_secure.protocol.queryread import read_question
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World

KEY = bytes(32)
DELTA = "0.0000005"
EXACT = 10**15
DOMAIN = DpDomain(
    dataset="d",
    privacy_unit="pid",
    contributions=2,
    columns=(
        OpenDomain(name="city", delta=DELTA),
        CategoryDomain(name="sex", keys=("F", "M")),
        NumberDomain(name="age", lower=0, upper=100, resolution=1),
    ),
)
BY_CITY = {"group_by": [{"col": "city"}], "aggs": [{"op": "persons"}]}
DRAWS = 100_000


def question(fields):
    return read_question(json.dumps({"v": 1, "dataset": "d", "aggs": [{"op": "count"}]} | fields))


def ask(fields, table, units=EXACT):
    asked = DpQuestion(question=question(fields), domain=DOMAIN, version="v", units=units, bounding_key=KEY)
    result = run(asked, lambda names: table.select(list(names)), Normalised(), lambda: None)
    return pa.ipc.open_stream(result.stream).read_all()


def people(cities):
    """Return a table of one person for each city given; None is a person without one."""
    count = len(cities)
    return pa.table(
        {
            "pid": pa.array(np.arange(count), pa.int64()),
            "city": pa.array(cities, pa.string()),
            "sex": pa.array(["F", "M"] * count, pa.string())[:count],
            "age": pa.array(np.arange(count) % 100, pa.int64()),
        }
    )


def test_keys_that_enough_people_share_are_told_in_their_own_order():
    table = people(["zürich"] * 5000 + ["arles"] * 7000 + ["lone"] * (LEAST - 1) + [None] * 9000)
    found = ask(BY_CITY, table, units_of("1", "1e-6"))
    assert found["city"].to_pylist() == ["arles", "zürich"]
    for value, margin, truth in zip(found["persons"], found["persons_margin"], (7000, 5000), strict=True):
        assert abs(value.as_py() - truth) < 6 * margin.as_py()
    under = ask(BY_CITY | {"where": {"op": "eq", "col": "sex", "value": "F"}}, table, units_of("1", "1e-6"))
    assert under["city"].to_pylist() == ["arles", "zürich"]


def test_the_order_of_keys_is_not_that_of_the_rows():
    names = [f"{letter}{number}" for number in range(3) for letter in "zaÄmB"]
    found = ask(BY_CITY, people(names * 40), EXACT)
    assert found["city"].to_pylist() == sorted(names)


def test_whatever_is_paid_a_key_of_few_people_is_never_told():
    told = ask(BY_CITY, people(["few"] * (LEAST - 1) + ["some"] * 200), EXACT)
    assert told["city"].to_pylist() == ["some"]
    # Nor by luck, where noise would lift one key in six over the threshold.
    rho, delta = charged_open(1.0, 1, 1)
    lucky = Opened("city", "n", 1, math.ceil(rho * 10**9), delta, 1.0, 1)
    assert release_open(np.full(1000, LEAST - 1), lucky) == {}
    assert release_open(np.full(1000, LEAST), lucky)


@pytest.mark.parametrize(
    "fields",
    [
        {"group_by": [{"col": "city"}]},
        {"group_by": [{"col": "city"}, {"col": "sex"}], "aggs": [{"op": "persons"}]},
        {"group_by": [{"col": "sex"}, {"col": "city"}], "aggs": [{"op": "persons"}]},
        {"group_by": [{"col": "city", "width": 1}], "aggs": [{"op": "persons"}]},
        BY_CITY | {"aggs": [{"op": "persons"}, {"op": "count"}]},
        BY_CITY | {"aggs": [{"op": "mean", "col": "age"}]},
        {"where": {"op": "eq", "col": "city", "value": "lone"}},
        {"where": {"op": "in", "col": "city", "values": ["lone"]}},
        {"where": {"op": "lt", "col": "city", "value": 3}},
        {"aggs": [{"op": "sum", "col": "city"}]},
        {"aggs": [{"op": "histogram", "col": "city"}]},
    ],
)
def test_what_an_open_column_cannot_do_is_refused_with_what_works(fields):
    with pytest.raises(InvalidRequestError, match=r"no public keys.*persons"):
        bind(question(fields), facts(DOMAIN), 1_000_000)


@pytest.mark.parametrize(("units", "k"), [(1, 1), (1, 3), (1000, 10_000)])
def test_a_budget_too_small_for_any_threshold_is_refused_before_any_data(units, k):
    domain = msgspec.structs.replace(DOMAIN, contributions=k)
    with pytest.raises(BudgetError, match="larger epsilon"):
        bind(question(BY_CITY), facts(domain), units)


@pytest.mark.parametrize(
    ("units", "k"),
    [(units, k) for units in (1000, 321_047, 24_000_000, 10**10) for k in (1, 3, 10_000) if units > 1000 or k < 10],
)
def test_scale_and_threshold_stay_within_what_is_paid(units, k):
    delta = Fraction(DELTA) * Fraction(units, MOST_RHO * 10**9)
    scale, threshold = calibrated(k, units, delta)
    rho, failure = charged_open(scale, threshold, k)
    assert rho <= Fraction(units, 10**9)
    assert rho > Fraction(units, 10**9) * Fraction(999_999, 1_000_000)
    assert failure <= delta < charged_open(scale, threshold - 1, k)[1]
    # The published bound, worked out on its own: one person brings k keys of one count each, and any may pass.
    alone = math.erfc((threshold - 1) / scale / math.sqrt(2)) / 2
    assert float(failure) >= alone * 0.9 or units >= 10**10  # a scale so small that noise is hardly Gaussian


def test_a_lifetime_of_such_releases_fails_by_no_more_than_the_half_that_is_set_aside():
    for delta in ("0.0000005", "0.0005", "0.000000001"):
        assert units_of("50", delta) <= MOST_RHO * 10**9
    shares = [Fraction(DELTA) * Fraction(units, MOST_RHO * 10**9) for units in (1, 10**9, 49 * 10**9 - 1)]
    assert sum(shares) <= Fraction(DELTA)
    assert bind(question(BY_CITY), facts(DOMAIN), 10**9).opened.delta == shares[1]


def test_the_mechanism_is_not_used_beyond_what_was_reserved():
    for cheap in ({"units": 1}, {"delta": Fraction(1, 10**30)}):
        bound = {"units": 10**6, "delta": Fraction(1, 10**6)} | cheap
        with pytest.raises(ArithmeticError):
            release_open(np.array([50]), Opened("city", "n", 1, scale=23.0, threshold=120, **bound))


POLICY = """
[dataset.patients]
tags = { pid = "direct", city = "quasi", sex = "measure" }
privacy_unit = "pid"
keys = { sex = ["F", "M"] }
open_keys = ["city"]
budget = { epsilon = "3", delta = "1e-6", default_query = "1" }

[[rule]]
id = "scientists-ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"
"""


def test_the_whole_broker_tells_open_keys_and_states_the_whole_delta(tmp_path, monkeypatch, capsys):
    async def asked(world):
        async with world.desk() as front:
            kernel = await front.kernel("ann")
            handle = await kernel.ask(Load(dataset="patients", rung=Rung.DP))
            text = json.dumps({"v": 1, "dataset": "patients"} | BY_CITY)
            price = await kernel.ask(Query(question=text, preview=True))
            answers = [await kernel.fetch(Query(question=text)) for _ in range(2)]
            return handle, price, answers

    with World(tmp_path) as world:
        world.person("ann", "scientist")
        table = people(["rome"] * 900 + ["oslo"] * 700 + ["lone"]).drop_columns("age")
        world.seal(table, tags={"pid": Tag.DIRECT, "city": Tag.QUASI, "sex": Tag.MEASURE})
        world.apply(POLICY)
        handle, price, ((first, told), (again, _)) = asyncio.run(asked(world))
        world.verify()
        monkeypatch.setattr(command, "SUBCOMMANDS", ("budget",))
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSPHRASE}\n"))
        assert command.main(["budget", "list", "--vault", str(world.path), "--password-stdin", "--json"]) == 0
    assert [(column.kind, column.keys) for column in handle.columns] == [("open", ()), ("category", ("F", "M"))]
    assert {gauge.delta for gauge in (*handle.gauges, *first.gauges)} == {"1e-6"}
    assert 20 < price.errors["persons that a key needs to be told"] < 100
    assert told["city"].to_pylist() == ["oslo", "rome"]
    assert (first.cost, again.cost, again.repeated) == ("1", "0", True)
    listed = json.loads(capsys.readouterr().out)
    assert [(row["spent"], row["cap"], row["delta"]) for row in listed] == [("1", "3", "1e-6")]
    # Half of delta converts, so an epsilon buys less rho than it would with the whole of it.
    assert units_of("1", DELTA) < units_of("1", "1e-6")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('open_keys = ["sex"]', "has public keys or bounds already"),
        ('open_keys = ["pid"]', "no key of one person"),
        ('open_keys = ["city"]\nbudget = { epsilon = "3", delta = "1e-10" }', "a delta of at least"),
    ],
)
def test_a_policy_that_opens_the_wrong_column_is_refused(line, why):
    budget = "" if "budget" in line else 'budget = { epsilon = "3" }'
    text = f'[dataset.x]\nprivacy_unit = "pid"\nkeys = {{ sex = ["F"] }}\n{line}\n{budget}'
    with pytest.raises(PolicyError, match=f"line 4.*{why}"):
        compile_text(text)


rows = st.lists(
    st.tuples(
        st.integers(0, 4), st.sampled_from(["a", "b", "", "Ω", "c", None]), st.sampled_from(["F", "M", "X", None])
    ),
    max_size=40,
)


def counted(found, k):
    table = pa.table(
        {
            "pid": pa.chunked_array([pa.array([person for person, _, _ in found], pa.int64())]),
            "city": pa.chunked_array([pa.array([city for _, city, _ in found], pa.string())]),
        }
    )
    used = bound_contributions(table["pid"], k, KEY)
    city = normalise(table["city"], facts(DOMAIN).columns["city"])
    columns = {"city": city, PERSONS: numbered(table["pid"])}
    counts = aggregate(PersonsPart(), columns, used & ~city.null, city.codes, max(len(city.names), 1))
    return Counter(dict(zip(city.names.to_pylist(), counts.tolist(), strict=False)))


@given(rows, st.integers(1, 3), st.integers(0, 4))
def test_one_person_moves_at_most_k_keys_by_one_each_lessened_or_not(found, k, person):
    whole, without = counted(found, k), counted([row for row in found if row[0] != person], k)
    moved = {key: whole[key] - without[key] for key in whole | without if whole[key] != without[key]}
    assert len(moved) <= k
    assert set(moved.values()) <= {1}
    for least in (2, 3):
        less = {key: max(whole[key] - least + 1, 0) - max(without[key] - least + 1, 0) for key in whole | without}
        assert set(less.values()) <= {0, 1}


@settings(max_examples=25)
@given(rows, st.sampled_from([1000, 10**6, 10**12]))
def test_no_table_makes_a_question_raise(found, units):
    table = people([city for _, city, _ in found]).set_column(2, "sex", pa.array([s for _, _, s in found], pa.string()))
    for fields in (BY_CITY, BY_CITY | {"where": {"op": "is_null", "col": "city"}}, {"group_by": [{"col": "sex"}]}):
        assert ask(fields, table, units).num_columns == 3


def shares(count, opened):
    """Return how often each noisy count is told of a key that so many people share; None where it is not told."""
    told = release_open(np.full(DRAWS, count, dtype=np.int64), opened)
    return Counter(told.values()), DRAWS - len(told)


@pytest.mark.slow
def test_a_key_that_one_more_person_brings_is_told_no_more_often_than_charged():
    rho, delta = charged_open(1.0, 4, 1)
    opened = Opened("city", "n", 1, math.ceil(rho * 10**9), delta, 1.0, 4)
    told = DRAWS - shares(LEAST, opened)[1]
    chance = math.sqrt(float(delta) * math.log(2e9) * 2 / DRAWS)  # Bernstein's, without its smaller term
    assert told / DRAWS <= float(delta) + chance + 2e-4
    assert told > 0  # or nothing was measured
    # The library alone keeps counts at the threshold too, more often than it charges; this is how that would look.
    mechanism = opening._mechanism(1.0, 4)
    kept = len(mechanism(dict.fromkeys(range(DRAWS), 1)))
    assert kept / DRAWS > float(delta) + chance + 2e-4


@pytest.mark.slow
@pytest.mark.parametrize("count", [LEAST, LEAST + 30, 400])
def test_the_measured_epsilon_of_a_release_is_never_above_the_claim(count):
    units = units_of("1", "1e-6")
    bound = bind(question(BY_CITY), facts(DOMAIN), units).opened
    single = Opened("city", "n", 1, units, bound.delta, *calibrated(1, units, bound.delta))
    epsilon = float(epsilon_of(units, "1e-6"))
    chance = math.sqrt(math.log(2e13) / (2 * DRAWS))
    (more, none_more), (less, none_less) = shares(count, single), shares(count - 1, single)
    for first, second in (((more, none_more), (less, none_less)), ((less, none_less), (more, none_more))):
        values = sorted(first[0] | second[0])
        ahead = [np.cumsum([side[0][value] for value in values]) / DRAWS for side in (first, second)]
        events = [(first[1] / DRAWS, second[1] / DRAWS), *zip(*ahead, strict=True)]
        events += [(1 - one - first[1] / DRAWS, 1 - two - second[1] / DRAWS) for one, two in zip(*ahead, strict=True)]
        assert all(one <= math.exp(epsilon) * two + 1e-6 + (1 + math.exp(epsilon)) * chance for one, two in events)
