"""Brute force over neighbours: taking one person away moves no part by more than its sensitivity says."""

import json
import math

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_secure.broker.views.dp.aggregate import PERSONS, aggregate
from jupyter_secure.broker.views.dp.bind import bind
from jupyter_secure.broker.views.dp.domain import facts
from jupyter_secure.broker.views.dp.group import group_codes
from jupyter_secure.broker.views.dp.normalise import bound_contributions, normalise, numbered
from jupyter_secure.broker.views.dp.predicate import certainly
from jupyter_secure.broker.views.dp.sensitivity import sensitivity
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain
from jupyter_secure.protocol.queryread import read_question

KEY = bytes(range(32))
HALVES = NumberDomain(name="x", lower=-9.5, upper=9.5, resolution=0.5)
QUARTERS = NumberDomain(name="y", lower=-3, upper=7, resolution=0.25)
QUESTIONS = [
    {},
    {"where": {"op": "gt", "col": "x", "value": 0}},
    {"where": {"op": "not", "arg": {"op": "eq", "col": "g", "value": "a"}}},
    {"aggs": [{"op": "count", "col": "x"}, {"op": "sum", "col": "x"}, {"op": "mean", "col": "x"}]},
    {"aggs": [{"op": "sum", "col": "x", "lower": 1, "upper": 2}, {"op": "mean", "col": "x", "lower": -7}]},
    {"aggs": [{"op": "mean", "col": "x"}, {"op": "sum", "col": "x"}], "group_by": [{"col": "g"}]},
    {"aggs": [{"op": "histogram", "col": "x", "width": 2.5}]},
    {"group_by": [{"col": "g"}, {"col": "x", "width": 4}], "where": {"op": "is_null", "col": "x"}},
    {"aggs": [{"op": "variance", "col": "x"}, {"op": "std", "col": "x", "lower": -3, "upper": 1}]},
    {"aggs": [{"op": "std", "col": "x"}], "group_by": [{"col": "g"}]},
    {"aggs": [{"op": "correlation", "col": "x", "other": "y"}]},
    {"aggs": [{"op": "covariance", "col": "y", "other": "x"}], "group_by": [{"col": "g"}]},
    {"aggs": [{"op": "quantile", "col": "x", "q": 0.5}, {"op": "persons"}]},
    {"aggs": [{"op": "quantile", "col": "x", "q": 0.1}, {"op": "persons"}], "group_by": [{"col": "g"}]},
]
extremes = st.sampled_from(
    [None, math.nan, math.inf, -math.inf, 1e308, -1e308, -0.0, 5e-324, 2.0**53, -(2.0**63), 0.5, -9.5, 9.5]
)
rows = st.lists(
    st.tuples(
        st.sampled_from(["p0", "p1", "p2", "p3", None]),
        st.one_of(extremes, st.floats(-12, 12)),
        st.sampled_from(["a", "b", "", "other", None]),
    ),
    max_size=24,
)


def parts(table, domain, fields):
    """Return each part of a question with its exact vector, as a worker computes it."""
    public = facts(domain)
    question = read_question(json.dumps({"v": 1, "dataset": "d", "aggs": [{"op": "count"}]} | fields))
    bound = bind(question, public, 1000)
    columns = {name: normalise(table.column(name), public.columns[name]) for name in bound.columns}
    used = bound_contributions(table.column("pid"), public.k, KEY)
    if bound.test is not None:
        used = used & certainly(bound.test, columns)
    columns[PERSONS] = numbered(table.column("pid"))
    codes = group_codes(bound.slots, columns)
    return [
        (part, aggregate(part, columns, used, codes, bound.groups)) for each in bound.aggregates for part in each.parts
    ]


def arrow(found):
    pids, numbers, groups = zip(*found, strict=True) if found else ((), (), ())
    return pa.table(
        {
            "pid": pa.chunked_array([pa.array(pids, pa.string())]),
            "x": pa.chunked_array([pa.array(numbers, pa.float64())]),
            "y": pa.chunked_array([pa.array([None if x is None else x * -0.5 for x in numbers], pa.float64())]),
            "g": pa.chunked_array([pa.array(groups, pa.string())]),
        }
    )


@settings(max_examples=300)
@given(rows, st.integers(1, 4), st.sampled_from(QUESTIONS), st.sampled_from(["p0", "p1", "p2", "p3"]))
def test_one_person_moves_no_part_by_more_than_its_sensitivity(found, k, fields, person):
    domain = DpDomain(
        dataset="d", privacy_unit="pid", contributions=k, max_rows=1000,
        columns=(HALVES, QUARTERS, CategoryDomain(name="g", keys=("a", "b", ""))),
    )  # fmt: skip
    with_person = parts(arrow(found), domain, fields)
    without = parts(arrow([row for row in found if row[0] != person]), domain, fields)
    for (part, exact), (_, neighbour) in zip(with_person, without, strict=True):
        steps, most = (exact - neighbour).tolist(), sensitivity(part, k)
        assert math.sqrt(sum(int(step) ** 2 for step in steps)) <= most.l2 + 1e-9
        assert sum(map(abs, steps)) <= most.l1


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["p0", "p1", "p2"]), max_size=30), st.integers(1, 3))
def test_which_rows_of_a_person_are_kept_depends_on_that_person_s_rows_alone(people, k):
    def kept(names):
        keep = bound_contributions(pa.chunked_array([pa.array(names, pa.string())]), k, KEY)
        return [bool(flag) for flag, name in zip(keep, names, strict=True) if name == "p0"]

    assert kept(people) == kept([name for name in people if name != "p1"])
    assert sum(kept(people)) == min(k, people.count("p0"))


def test_the_largest_step_is_reached_so_the_sensitivities_are_tight():
    domain = DpDomain(
        dataset="d", privacy_unit="pid", contributions=2, max_rows=1000,
        columns=(NumberDomain(name="x", lower=0, upper=10, resolution=1),),
    )  # fmt: skip
    table = pa.table({"pid": ["p", "p", "p"], "x": [99.0, 99.0, 99.0]})
    for part, exact in parts(table, domain, {"aggs": [{"op": "sum", "col": "x"}, {"op": "mean", "col": "x"}]}):
        assert np.abs(exact).max() == sensitivity(part, 2).l2 == sensitivity(part, 2).l1
