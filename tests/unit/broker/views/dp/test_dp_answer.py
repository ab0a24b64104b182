"""Exact arithmetic, checked with so large a budget that noise is far below one."""

import datetime as dt
import json
import math
from fractions import Fraction
from typing import get_args

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from jupyter_secure.broker.views.dp import answer as answering
from jupyter_secure.broker.views.dp.aggregate import BLOCK, aggregate
from jupyter_secure.broker.views.dp.bind import bind
from jupyter_secure.broker.views.dp.domain import describe, facts
from jupyter_secure.broker.views.dp.job import FAILED, Normalised, run
from jupyter_secure.broker.views.dp.normalise import Normal, bound_contributions, normalise
from jupyter_secure.broker.views.dp.release import Noise, Price, charged, noise_for, release
from jupyter_secure.broker.views.dp.sensitivity import Sensitivity, SumPart
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.protocol.dataset import Measure
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain
from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError, PolicyError, SecureError
from jupyter_secure.protocol.queryread import read_question

VARIANCE = [{"op": "variance", "col": "age"}]
EXACT = 10**15  # rho of a million: the noise of a count is 0 but once in the age of the universe
KEY = bytes(range(32))
DOMAIN = DpDomain(
    dataset="patients",
    privacy_unit="pid",
    contributions=1,
    max_rows=10**6,
    columns=(
        NumberDomain(name="age", lower=0, upper=100, resolution=1),
        CategoryDomain(name="sex", keys=("F", "M")),
        NumberDomain(name="cost", lower=-5.5, upper=50.25, resolution=0.25),
        CategoryDomain(name="smoker", keys=("false", "true")),
    ),
)
TABLE = pa.table(
    {
        "pid": ["a", "b", "c", "d", "e", "f", None],
        "age": pa.array([10, 20, None, 40, 150, -3, 20], pa.int64()),
        "sex": ["F", "M", "F", "X", None, "M", "F"],
        "cost": [1.25, float("nan"), 3.0, math.inf, None, -1e308, 1.0],
        "smoker": [True, False, None, True, True, False, True],
    }
)


def ask(fields, *, units=EXACT, table=TABLE, domain=DOMAIN, held=None):
    question = read_question(json.dumps({"v": 1, "dataset": "patients", "aggs": [{"op": "count"}]} | fields))
    asked = DpQuestion(question=question, domain=domain, version="v1", units=units, bounding_key=KEY)
    result = run(asked, lambda names: table.select(list(names)), Normalised() if held is None else held, lambda: None)
    return pa.ipc.open_stream(result.stream).read_all()


def count(where):
    return ask({"where": where})["count"].to_pylist()[0]


def test_a_row_without_a_privacy_unit_is_never_counted():
    assert ask({})["count"].to_pylist() == [6]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({"op": "gt", "col": "age", "value": 10}, 3),
        ({"op": "ge", "col": "age", "value": 10}, 4),
        ({"op": "lt", "col": "age", "value": 10.5}, 2),
        ({"op": "le", "col": "age", "value": 0}, 1),
        ({"op": "eq", "col": "age", "value": 100}, 1),
        ({"op": "eq", "col": "age", "value": 10.5}, 0),
        ({"op": "ne", "col": "age", "value": 10}, 4),
        ({"op": "between", "col": "age", "lower": 10, "upper": 20}, 2),
        ({"op": "between", "col": "age", "lower": 20, "upper": 10}, 0),
        ({"op": "in", "col": "age", "values": [10, 40, 9000]}, 2),
        ({"op": "gt", "col": "age", "value": 2**52}, 0),
        ({"op": "is_null", "col": "age"}, 1),
        ({"op": "is_null", "col": "cost"}, 2),
        ({"op": "eq", "col": "cost", "value": 1.25}, 1),
        ({"op": "eq", "col": "sex", "value": "F"}, 2),
        ({"op": "ne", "col": "sex", "value": "F"}, 3),
        ({"op": "in", "col": "sex", "values": ["F", "M"]}, 4),
        ({"op": "eq", "col": "smoker", "value": "true"}, 3),
        ({"op": "not", "arg": {"op": "gt", "col": "age", "value": 10}}, 2),
        ({"op": "or", "args": [{"op": "gt", "col": "age", "value": 10}, {"op": "is_null", "col": "age"}]}, 4),
        ({"op": "or", "args": [{"op": "gt", "col": "age", "value": 30}, {"op": "eq", "col": "sex", "value": "F"}]}, 4),
        ({"op": "and", "args": [{"op": "gt", "col": "age", "value": 30}, {"op": "ne", "col": "sex", "value": "F"}]}, 1),
    ],
)
def test_predicates_follow_three_valued_logic(where, rows):
    assert count(where) == rows


def test_a_predicate_and_its_opposite_leave_the_unknown_rows_out():
    test = {"op": "or", "args": [{"op": "gt", "col": "age", "value": 10}, {"op": "eq", "col": "sex", "value": "M"}]}
    assert count(test) + count({"op": "not", "arg": test}) == 5


def test_values_are_clipped_to_the_bounds_and_nulls_left_out():
    found = ask({"aggs": [{"op": "sum", "col": "age"}, {"op": "mean", "col": "age"}, {"op": "count", "col": "age"}]})
    assert found["sum_age"].to_pylist() == [170]
    assert found["mean_age"].to_pylist() == [34]
    assert found["count_age"].to_pylist() == [5]


def test_infinities_and_huge_values_are_moved_to_the_bounds():
    found = ask({"aggs": [{"op": "sum", "col": "cost"}]})
    assert found["sum_cost"].to_pylist() == [1.25 + 3.0 + 50.25 - 5.5]


def test_narrower_bounds_clip_and_wider_ones_do_nothing():
    narrow, wide = (
        ask({"aggs": [{"op": "sum", "col": "age", "lower": low, "upper": high}]})["sum_age"].to_pylist()
        for low, high in ((15, 30), (-1000, 1000))
    )
    assert narrow == [15 + 20 + 30 + 30 + 15]
    assert wide == [170]


def test_all_public_groups_are_answered_in_their_order_with_one_for_unknown():
    found = ask({"group_by": [{"col": "sex"}]})
    assert found.to_pydict() == {"sex": ["F", "M", None], "count": [2, 2, 2], "count_margin": [0, 0, 0]}
    assert found.schema.field("sex").type == pa.string()


def test_bins_start_at_multiples_of_their_width():
    found = ask({"aggs": [{"op": "histogram", "col": "age", "width": 30}]})
    assert found["age"].to_pylist() == [0, 30, 60, 90, None]
    assert found["count"].to_pylist() == [3, 1, 0, 1, 1]


def test_two_keys_make_the_product_of_their_groups():
    found = ask({"group_by": [{"col": "sex"}, {"col": "age", "width": 50}]})
    assert found["sex"].to_pylist() == ["F"] * 4 + ["M"] * 4 + [None] * 4
    assert found["age"].to_pylist() == [0, 50, 100, None] * 3
    assert found["count"].to_pylist() == [1, 0, 0, 1, 2, 0, 0, 0, 1, 0, 1, 0]


def test_a_hundred_thousand_public_keys_are_one_answer():
    names = tuple(f"t{number:05}" for number in range(100_000))
    domain = msgspec.structs.replace(DOMAIN, columns=(*DOMAIN.columns, CategoryDomain(name="town", keys=names)))
    table = TABLE.append_column("town", pa.array([names[0], names[-1], None, "nowhere", names[-1], names[7], "t"]))
    found = ask({"group_by": [{"col": "town"}]}, table=table, domain=domain)
    assert found["town"].to_pylist() == [*names, None]
    counts = np.asarray(found["count"])
    assert {place: counts[place] for place in np.flatnonzero(counts)} == {0: 1, 7: 1, 99_999: 2, 100_000: 2}
    two, many = {"group_by": [{"col": "town"}, {"col": "sex"}]}, {"group_by": [{"col": "town"}], "aggs": VARIANCE}
    for fields, why in ((two, "more than 100,001 groups"), (many, "fewer of them")):
        with pytest.raises(InvalidRequestError, match=why):
            ask(fields, table=table, domain=domain)


def test_grouped_sums_are_exact():
    found = ask({"group_by": [{"col": "sex"}], "aggs": [{"op": "sum", "col": "age"}, {"op": "mean", "col": "age"}]})
    assert found["sum_age"].to_pylist() == [10, 20, 140]
    assert found["mean_age"].to_pylist() == [10, 10, 70]


def test_an_empty_table_is_answered_like_any_other():
    found = ask({"group_by": [{"col": "sex"}], "aggs": [{"op": "mean", "col": "age"}]}, table=TABLE.slice(0, 0))
    assert len(found) == 3
    assert all(0 <= mean <= 100 for mean in found["mean_age"].to_pylist())


@pytest.mark.parametrize(
    "fields",
    [
        {"where": {"op": "eq", "col": "zip", "value": 1}},
        {"where": {"op": "eq", "col": "sex", "value": "Q"}},
        {"where": {"op": "eq", "col": "age", "value": "10"}},
        {"where": {"op": "lt", "col": "sex", "value": 1}},
        {"group_by": [{"col": "age"}]},
        {"group_by": [{"col": "sex", "width": 2}]},
        {"group_by": [{"col": "cost", "width": 0.3}]},
        {"group_by": [{"col": "age", "width": 0.5}]},
        {
            "group_by": [{"col": "cost", "width": 0.25}, {"col": "age", "width": 1}, {"col": "smoker"}],
            "aggs": [*VARIANCE, {"op": "count"}],
        },
        {"aggs": [{"op": "sum", "col": "sex"}]},
        {"aggs": [{"op": "count", "col": "pid"}]},
        {"aggs": [{"op": "mean", "col": "age", "lower": 101}]},
        {"aggs": [{"op": "mean", "col": "age", "lower": 50, "upper": 40}]},
    ],
)
def test_what_does_not_fit_the_columns_is_refused_before_any_data(fields):
    question = read_question(json.dumps({"v": 1, "dataset": "patients", "aggs": [{"op": "count"}]} | fields))
    with pytest.raises(InvalidRequestError):
        bind(question, facts(DOMAIN), 1000)


def test_a_budget_that_cannot_be_split_is_refused():
    question = read_question('{"v":1,"dataset":"patients","aggs":[{"op":"mean","col":"age"}]}')
    with pytest.raises(BudgetError):
        bind(question, facts(DOMAIN), 1)


@pytest.mark.parametrize(
    "column",
    [
        NumberDomain(name="x", lower=0, upper=1e12, resolution=1e-3),
        NumberDomain(name="x", lower=0, upper=2.0**53, resolution=1),
        NumberDomain(name="x", lower=0.1, upper=0.2, resolution=1),
        NumberDomain(name="x", lower=0, upper=math.inf, resolution=1),
        NumberDomain(name="x", lower=5, upper=4, resolution=1),
        CategoryDomain(name="x", keys=("a", "a")),
    ],
)
def test_a_domain_that_could_overflow_or_means_nothing_is_refused(column):
    with pytest.raises(PolicyError):
        facts(DpDomain(dataset="patients", privacy_unit="pid", contributions=1, columns=(column,)))


def test_a_handle_shows_bounds_and_keys():
    shown = {
        column.name: column
        for column in describe(DOMAIN, dict.fromkeys((column.name for column in DOMAIN.columns), "int64"))
    }
    assert (shown["age"].lower, shown["age"].upper) == (0, 100)
    assert shown["sex"].keys == ("F", "M")


def test_text_keys_of_any_arrow_string_type_are_found():
    column = pa.chunked_array([pa.array(["M", None, "X"]).dictionary_encode(), pa.array(["F"]).dictionary_encode()])
    for kind in (column, column.cast(pa.string()), column.cast(pa.large_string())):
        found = normalise(kind, facts(DOMAIN).columns["sex"])
        assert found.codes.tolist() == [1, -1, -1, 0]
        assert found.null.tolist() == [False, True, False, False]


def test_dates_are_whole_days():
    days = facts(
        DpDomain(
            dataset="p", privacy_unit="pid", contributions=1,
            columns=(NumberDomain(name="day", lower=0, upper=40_000, resolution=1),),
        )
    ).columns["day"]  # fmt: skip
    column = pa.chunked_array([pa.array([dt.datetime(1970, 1, 3, 23, tzinfo=dt.UTC), None])])
    found = normalise(column, days)
    assert (found.codes[0], found.null.tolist()) == (2, [False, True])


def test_at_most_k_rows_of_a_person_are_kept_and_the_choice_is_stable():
    units = pa.chunked_array([pa.array(["a"] * 5 + ["b"] * 2 + [None] + ["c"] * 9)])
    kept = bound_contributions(units, 3, KEY)
    names = np.array(units.to_pylist(), dtype=object)[kept]
    assert sorted(names) == ["a"] * 3 + ["b"] * 2 + ["c"] * 3
    assert (kept == bound_contributions(units, 3, KEY)).all()


def test_another_key_keeps_other_rows():
    units = pa.chunked_array([pa.array(["a"] * 60)])
    assert (bound_contributions(units, 20, KEY) != bound_contributions(units, 20, KEY[::-1])).any()


def test_the_second_question_reads_nothing():
    held, reads = Normalised(), []
    for _ in range(2):
        question = read_question('{"v":1,"dataset":"patients","aggs":[{"op":"sum","col":"age"}]}')
        asked = DpQuestion(question=question, domain=DOMAIN, version="v1", units=EXACT, bounding_key=KEY)
        run(asked, lambda names: reads.append(names) or TABLE.select(list(names)), held, lambda: None)
    assert reads == [("age", "pid")]


def test_another_version_or_domain_never_meets_an_older_column():
    held = Normalised()
    other = DpDomain(
        dataset="patients", privacy_unit="pid", contributions=1, columns=DOMAIN.columns[:1], max_rows=10**5
    )
    assert ask({"aggs": [{"op": "sum", "col": "age"}]}, held=held)["sum_age"].to_pylist() == [170]
    assert ask({"aggs": [{"op": "sum", "col": "age"}]}, held=held, domain=other, table=TABLE.slice(0, 2))[
        "sum_age"
    ].to_pylist() == [30]


def test_memory_is_bounded():
    held = Normalised(memory=100)
    for number in range(5):
        held.put(("v", "d", str(number)), np.zeros(8))
    assert held.get(("v", "d", "4")) is not None
    assert held.get(("v", "d", "0")) is None


@pytest.mark.parametrize("table", [TABLE.drop(["age"]), TABLE.set_column(1, "age", pa.array(["x"] * 7)), None])
def test_every_failure_after_validation_looks_the_same(table):
    with pytest.raises(SecureError) as failed:
        ask({"aggs": [{"op": "sum", "col": "age"}]}, table=table)
    assert type(failed.value) is SecureError
    assert failed.value.public == FAILED


@pytest.mark.parametrize("measure", get_args(Measure))
@pytest.mark.parametrize("most", [1, 7, 10**6, 2**60 + 1])
@pytest.mark.parametrize("units", [1, 321_047, 24_355_970, 10**12])
def test_the_map_of_every_mechanism_stays_within_its_budget(most, units, measure):
    reach = Sensitivity(most, most)
    noise = noise_for(reach, Price(units, measure))
    assert charged(noise, reach) <= Fraction(units, 10**9)
    assert charged(noise, reach) > Fraction(units, 10**9) * Fraction(999_999, 1_000_000)


@pytest.mark.parametrize(("measure", "other"), [("zcdp", "pure"), ("pure", "zcdp")])
def test_a_mechanism_is_not_used_beyond_what_was_reserved(measure, other):
    noise = noise_for(Sensitivity(1, 1), Price(1000, measure))
    with pytest.raises(ArithmeticError):
        release(np.zeros(1, np.int64), noise, Sensitivity(1, 1), Price(999, measure))
    with pytest.raises(ArithmeticError):
        release(np.zeros(1, np.int64), noise, Sensitivity(2, 2), Price(1000, measure))
    with pytest.raises(ArithmeticError):
        release(np.zeros(1, np.int64), noise, Sensitivity(1, 1), Price(10**12, other))


@pytest.mark.parametrize("price", [Price(5_000_000, "zcdp"), Price(100_000_000, "pure"), Price(10**9, "pure")])
def test_noise_is_as_wide_as_its_scale_says(price):
    # 40,000 draws: the sample variance lies within 8 % of the true one but for 6.4 sigma of a Laplace one, under 1e-9.
    noise = noise_for(Sensitivity(1, 1), price)
    draws = release(np.zeros(40_000, np.int64), noise, Sensitivity(1, 1), price)
    expected = noise.scale**2 if price.measure == "zcdp" else 1 / (2 * math.sinh(0.5 / noise.scale) ** 2)
    assert abs(draws.var() / expected - 1) < 0.08
    # Binomial(40,000, at most 0.05): more than 2,270 outside the margin is beyond 6 sigma.
    assert (np.abs(draws) > noise.margin()).sum() < 2270


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.5])
@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5, 1e3, 1e9])
def test_a_margin_of_laplace_noise_is_the_least_that_holds(scale, alpha):
    def beyond(margin):  # of the discrete law: P(|noise| > m) = 2 p^(m + 1) / (1 + p)
        return 2 * math.exp(-(margin + 1) / scale) / (1 + math.exp(-1 / scale))

    margin = Noise(scale, "pure").margin(alpha)
    assert beyond(margin) <= alpha * (1 + 1e-6)
    assert margin == 0 or beyond(margin - 1 - 1e-6 * scale) > alpha


@pytest.mark.parametrize("measure", get_args(Measure))
@pytest.mark.parametrize("draws", [1, 2, 16])
def test_a_margin_of_a_sum_holds(measure, draws):
    noise = Noise(20.0, measure)
    price = Price(10**12, measure)
    drawn = release(np.zeros(20_000 * draws, np.int64), noise, Sensitivity(1, 1), price)
    found = drawn.reshape(-1, draws).sum(axis=1)
    # Binomial(20,000, 0.05): more than 1,200 outside is beyond 6 sigma.
    assert (np.abs(found) > noise.margin_of_sum(draws)).sum() < 1200
    assert abs(np.abs(found).mean() / noise.usual / math.sqrt(draws) - 1) < (0.06 if draws == 1 else 0.2)


def test_margins_of_a_mean_hold_for_a_known_truth():
    # At most 5 % of 400 answers may miss; more than 50 (12.5 %) misses are beyond 6 sigma.
    rng = np.random.default_rng(5)
    table = pa.table({"pid": np.arange(500), "age": rng.integers(0, 101, 500)})
    truth = float(np.mean(table["age"].to_numpy()))
    held, misses = Normalised(), 0
    for _ in range(400):
        found = ask({"aggs": [{"op": "mean", "col": "age"}]}, units=20_000_000, table=table, held=held).to_pylist()[0]
        misses += abs(found["mean_age"] - truth) > found["mean_age_margin"]
    assert misses <= 50


def test_a_forecast_agrees_with_the_answer_s_margin():
    question = read_question(
        '{"v":1,"dataset":"patients","aggs":[{"op":"count"},{"op":"sum","col":"cost"},{"op":"mean","col":"age"}]}'
    )
    bound = bind(question, facts(DOMAIN), 10_000_000)
    expected = answering.forecast(bound)
    held = Normalised()
    asked = DpQuestion(question=question, domain=DOMAIN, version="v1", units=10_000_000, bounding_key=KEY)
    got = run(asked, lambda names: TABLE.select(list(names)), held, lambda: None).errors
    assert expected["count"] == got["count"]
    assert expected["sum_cost"] == got["sum_cost"]
    assert 0 < expected["mean_age per 1,000 rows"] < 100


def test_a_sum_over_many_rows_is_exact_and_the_rows_left_out_count_as_zero():
    rng = np.random.default_rng(3)
    size = 2 * BLOCK + 17
    columns = {"x": Normal(rng.integers(-(2**40), 2**40, size), rng.random(size) < 0.1)}
    used = rng.random(size) < 0.5
    kept = columns["x"].codes[used & ~columns["x"].null].tolist()
    part = SumPart(col="x", lo=-(2**39), hi=2**39, centre=5)
    expected = sum(min(max(code, part.lo), part.hi) - 5 for code in kept)
    assert aggregate(part, columns, used, None, 1).tolist() == [expected]
    groups = np.zeros(size, dtype=np.int64)
    assert aggregate(part, columns, used, groups, 1).tolist() == [expected]
