import json

import pytest

from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain, default_resolution, needed_columns
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.query import question_digest
from jupyter_secure.protocol.queryread import read_question
from jupyter_secure.protocol.view import Comparison


def question(**fields):
    return json.dumps({"v": 1, "dataset": "patients", "aggs": [{"op": "count"}]} | fields)


def digest(text, **changed):
    return question_digest(read_question(text), **({"version": "v1", "domain": "d1", "units": 5} | changed))


def test_spelling_out_a_default_is_the_same_question():
    assert digest(question()) == digest(
        question(group_by=[], where=None, aggs=[{"as": "count", "col": None, "op": "count"}])
    )


def test_a_histogram_is_the_grouped_count_that_it_is():
    histogram = question(aggs=[{"op": "histogram", "col": "age", "width": 10}])
    assert digest(histogram) == digest(question(group_by=[{"col": "age", "width": 10}]))


def test_one_and_one_point_zero_are_one_number():
    low, high = (question(where={"op": "gt", "col": "age", "value": value}) for value in (1, 1.0))
    assert digest(low) == digest(high)


@pytest.mark.parametrize("changed", [{"version": "v2"}, {"domain": "d2"}, {"units": 6}])
def test_another_version_domain_or_budget_is_another_question(changed):
    assert digest(question()) != digest(question(), **changed)


def test_reading_a_canonical_form_gives_the_same_question():
    read = read_question(question(where={"op": "not", "arg": {"op": "is_null", "col": "age"}}))
    assert read_question(canonical(read).decode()) == read


@pytest.mark.parametrize(
    ("text", "path", "advice"),
    [
        (question(aggs=[{"op": "median", "col": "age"}]), "$.aggs[0].op", "`quantile`"),
        (question(aggs=[{"op": "sum", "col": "age", "lo": 1}]), "$.aggs[0]", "`lower`"),
        (question(wher=None), "$", "`where`"),
        (question(where={"op": "=", "col": "age", "value": 1}), "$.where.op", "`eq`"),
        (question(where={"op": "gt", "col": "age", "value": True}), "$.where.value", ""),
    ],
)
def test_a_refusal_names_the_path_and_the_nearest_that_works(text, path, advice):
    with pytest.raises(InvalidRequestError) as refused:
        read_question(text)
    assert f"`{path}`" in refused.value.public
    assert advice in refused.value.public


def nested(depth):
    node = {"op": "is_null", "col": "age"}
    for _ in range(depth - 1):
        node = {"op": "not", "arg": node}
    return question(where=node)


def test_twelve_levels_are_permitted_and_thirteen_are_not():
    read_question(nested(12))
    with pytest.raises(InvalidRequestError):
        read_question(nested(13))


def many(nodes):
    parts = [{"op": "or", "args": [{"op": "is_null", "col": "a"}] * 49} for _ in range(nodes // 50)]
    return question(where={"op": "and", "args": parts})


def test_more_than_two_hundred_parts_are_refused():
    read_question(many(150))
    with pytest.raises(InvalidRequestError):
        read_question(many(200))


@pytest.mark.parametrize(
    "fields",
    [
        {"aggs": []},
        {"aggs": [{"op": "count", "as": f"c{i}"} for i in range(9)]},
        {"aggs": [{"op": "count"}, {"op": "count"}]},
        {"aggs": [{"op": "count", "as": "a"}, {"op": "count", "as": "a_margin"}]},
        {"aggs": [{"op": "count", "as": "age"}], "group_by": [{"col": "age", "width": 1}]},
        {"aggs": [{"op": "histogram", "col": "age", "width": 1}, {"op": "count"}]},
        {"group_by": [{"col": c} for c in "abcd"]},
        {"group_by": [{"col": "age", "width": 0}]},
        {"group_by": [{"col": "age", "width": -1}]},
        {"where": {"op": "in", "col": "age", "values": list(range(1001))}},
        {"where": {"op": "in", "col": "age", "values": []}},
        {"where": {"op": "gt", "col": "age", "value": 2**53}},
        {"where": {"op": "gt", "col": "age", "value": -(2.0**53)}},
        {"where": {"op": "gt", "col": "a\nb", "value": 1}},
    ],
)
def test_a_question_outside_the_bounds_is_refused(fields):
    with pytest.raises(InvalidRequestError):
        read_question(question(**fields))


def test_a_domain_needs_the_unit_and_the_columns_of_its_row_filters():
    number = NumberDomain(name="age", lower=0, upper=120, resolution=1)
    rows = (Comparison(column="ward", operator="eq", value=3),)
    domain = DpDomain(dataset="patients", privacy_unit="pid", contributions=1, columns=(number,), rows=rows)
    assert needed_columns(domain, frozenset({"age"})) == ("age", "pid", "ward")
    assert domain.column("age") is number
    assert domain.column("pid") is None


def test_row_filters_belong_to_the_domain_s_identity():
    key = CategoryDomain(name="sex", keys=("F", "M"))
    plain = DpDomain(dataset="patients", privacy_unit="pid", contributions=1, columns=(key,))
    filtered = DpDomain(
        dataset="patients", privacy_unit="pid", contributions=1, columns=(key,),
        rows=(Comparison(column="ward", operator="eq", value=3),),
    )  # fmt: skip
    assert plain.digest() != filtered.digest()


@pytest.mark.parametrize(
    ("lower", "upper", "kind", "resolution"),
    [(0, 120, "int64", 1.0), (0, 50_000, "double", 0.1), (0, 1, "double", 1e-5), (0, 200_000, "uint32", 1.0)],
)
def test_the_default_resolution_suits_type_and_span(lower, upper, kind, resolution):
    assert default_resolution(lower, upper, kind) == resolution
