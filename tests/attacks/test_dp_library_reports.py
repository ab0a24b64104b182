"""Canaries for an upgrade of OpenDP: what was reported of it, and why it is out of reach of a question.

The reports #2935 to #2949 are about OpenDP's Polars language, which the broker never loads. Each has a test that does
to our own path what the report does to that language.

Of what the broker does call, the privacy maps answer as its checks rely on.
"""

import json
import math
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from jupyter_secure.broker.views.dp.domain import facts
from jupyter_secure.broker.views.dp.normalise import normalise
from jupyter_secure.broker.views.dp.release import opendp
from jupyter_secure.protocol.dpdomain import CategoryDomain, DateDomain, DpDomain, NumberDomain
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.queryread import read_question
from tests.properties.test_dp_sensitivity import parts

K = 2
DOMAIN = DpDomain(
    dataset="d", privacy_unit="pid", contributions=K, max_rows=10_000,
    columns=(
        NumberDomain(name="x", lower=0, upper=100, resolution=1), CategoryDomain(name="g", keys=("a", "b")),
        DateDomain(name="day", lower=0, upper=20_000, resolution=1, zone="UTC"),
    ),
)  # fmt: skip
SUM = {"aggs": [{"op": "sum", "col": "x"}]}
BINS = {"group_by": [{"col": "x", "width": 10}, {"col": "g"}]}


def exact(fields, people, values, kind=None):
    """The exact vectors of a question over rows that have a person and a number; groups alternate."""
    columns = {"pid": pa.array(people, pa.string()), "x": pa.array(values, kind or pa.float64())}
    columns["g"] = pa.array(["ab"[place % 2] for place in range(len(people))])
    table = pa.table({name: pa.chunked_array([column]) for name, column in columns.items()})
    return [vector.tolist() for _, vector in parts(table, DOMAIN, fields)]


def test_2944_codes_of_groups_follow_values_and_not_the_order_of_rows():
    values = [float(number) for number in range(0, 100, 3)]
    people = [f"p{place}" for place in range(len(values))]
    bins = {"group_by": [{"col": "x", "width": 10}]}
    assert exact(bins, people, values) == exact(bins, people[::-1], values[::-1])


def test_2949_2945_a_person_of_many_rows_counts_as_often_as_permitted_in_all_groups_together():
    others = [f"p{place}" for place in range(20)]
    for fields in (BINS, {"group_by": [{"col": "g"}]}, {}):
        [with_person] = exact(fields, [*others, *["me"] * 50], [*range(20), *range(50)])
        [without] = exact(fields, others, range(20))
        assert sum(with_person) - sum(without) == K
        assert np.abs(np.subtract(with_person, without)).sum() == K


def test_2935_2936_a_value_that_is_no_number_adds_nothing_and_is_missing():
    assert exact(SUM, ["a", "b", "c"], [5.0, math.nan, None]) == exact(SUM, ["a"], [5.0])
    present = {"where": {"op": "not", "arg": {"op": "is_null", "col": "x"}}}
    assert exact(present, ["a", "b", "c"], [5.0, math.nan, None]) == [[1]]


@pytest.mark.parametrize(
    "fields",
    [
        {"aggs": [{"op": "sum", "col": "x", "cast": "f32"}]},
        {"aggs": [{"op": "histogram", "col": "x", "width": 0}]},
        {"aggs": [{"op": "count"}], "group_by": [{"col": "x", "cut": [0, 1]}]},
        {"aggs": [{"op": "count"}], "where": {"op": "eq", "col": {"op": "mod", "col": "x", "by": 0}, "value": 0}},
        {"aggs": [{"op": "count"}], "invariant": "lengths"},
    ],
    ids=["cast", "width 0", "cut", "modulo 0", "invariant"],
)
def test_2938_2939_2940_casts_cuts_remainders_and_invariants_are_no_part_of_a_question(fields):
    with pytest.raises(InvalidRequestError):
        read_question(json.dumps({"v": 1, "dataset": "d"} | fields))


def test_2941_sums_of_short_floats_lose_nothing_to_rounding():
    many = [100.0] * 5_000
    people = [f"p{place}" for place in range(len(many))]
    [with_person] = exact(SUM, [*people, "me"], [*many, 1.0], pa.float32())
    [without] = exact(SUM, people, many, pa.float32())
    assert (with_person[0] - without[0], without[0]) == (1, 500_000)


def test_2942_moments_beyond_the_calendar_abort_nothing():
    extremes = [-(2**62), 2**62, 0, None]
    for unit in ("s", "ms", "us", "ns"):
        moments = pa.chunked_array([pa.array(extremes, pa.int64()).cast(pa.timestamp(unit))])
        codes = normalise(moments, facts(DOMAIN).columns["day"])
        assert len(codes.codes) == len(extremes)
        assert codes.null[-1]


def test_nothing_of_the_polars_language_is_loaded_where_questions_are_answered():
    code = (
        "import sys, jupyter_secure.broker.views.worker\n"
        "from jupyter_secure.broker.views.jobs import load_handlers; load_handlers()\n"
        "from jupyter_secure.broker.views.dp.release import opendp; opendp()\n"
        "print([name for name in sys.modules if name.startswith('opendp.extras.') and 'examples' not in name])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True).stdout
    assert not [name for name in ("polars", "mbi", "sklearn", "numpy") if f"opendp.extras.{name}" in shown], shown


def test_the_privacy_maps_that_releases_are_held_against_answer_as_they_did():
    dp = opendp()
    integers = dp.vector_domain(dp.atom_domain(T="i64"))
    gaussian = dp.m.make_gaussian(integers, dp.l2_distance(T=float), scale=2.0)
    laplace = dp.m.make_laplace(integers, dp.l1_distance(T="i64"), scale=2.0)
    assert gaussian.map(2.0) == pytest.approx(0.5)
    assert laplace.map(2) == pytest.approx(1.0)
    # No scale is no noise, which the library makes and charges without end: our comparison refuses it.
    assert dp.m.make_gaussian(integers, dp.l2_distance(T=float), scale=0.0).map(1.0) == math.inf
    # #2911, fixed in 0.16: a noisy maximum has no discount under zero-concentrated privacy.
    zcdp = dp.zero_concentrated_divergence()
    maximum = dp.m.make_noisy_max(integers, dp.linf_distance(T="i64"), zcdp, scale=1.0)
    pure = dp.m.make_noisy_max(integers, dp.linf_distance(T="i64"), dp.max_divergence(), scale=1.0)
    assert (maximum.map(1), pure.map(1)) == (pytest.approx(0.5), pytest.approx(2.0))
