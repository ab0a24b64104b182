"""No cell makes a question fail: whatever lies in the columns, every question is answered, and alike in shape.

A failure that depended on a row would be an answer without noise. Types and the policy are public, cells are not.
"""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_secure.broker.views.dp.job import Normalised, run
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.protocol.dpdomain import CategoryDomain, DateDomain, DpDomain, NumberDomain, OpenDomain
from jupyter_secure.protocol.queryread import read_question

WHOLE = [0, 1, -1, 2**31, -(2**31), 2**53, 2**62, -(2**62), 2**63 - 1, -(2**63), None]
BROKEN = [0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 0.5, None]
TEXTS = ["", "a", "b", "\0", "é" * 200, "\U0001f600", "a\n", "true", None]
MOMENTS = [pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Asia/Kathmandu")]
DOMAIN = DpDomain(
    dataset="d",
    privacy_unit="pid",
    contributions=2,
    columns=(
        NumberDomain(name="x", lower=-5.5, upper=50.25, resolution=0.25),
        DateDomain(name="day", lower=-800, upper=20_000, resolution=1, zone="Europe/Berlin"),
        CategoryDomain(name="g", keys=("a", "true", "1")),
        OpenDomain(name="city", delta="0.0000005"),
    ),
)
BOUNDED = [{"op": op, "col": "x"} for op in ("sum", "mean", "variance", "std")]
QUESTIONS = [
    {"aggs": [*BOUNDED, {"op": "quantile", "col": "x", "q": 0.5}, {"op": "persons"}]},
    {"aggs": [{"op": "correlation", "col": "x", "other": "day"}, {"op": "covariance", "col": "x", "other": "day"}]},
    {"aggs": [{"op": "persons"}], "group_by": [{"col": "city"}], "where": {"op": "gt", "col": "x", "value": 0}},
    {"aggs": [{"op": "histogram", "col": "x", "width": 10}], "where": {"op": "ne", "col": "g", "value": "a"}},
    {"group_by": [{"col": "g"}, {"col": "day", "width": 400}], "aggs": BOUNDED},
    *({"group_by": [{"col": "day", "part": part}], "aggs": [{"op": "count"}]} for part in ("year", "month", "weekday")),
]


def cells(values, kind):
    raw = pa.array(values, pa.int64())
    return raw.cast(pa.int32(), safe=False).cast(kind) if kind == pa.date32() else raw.view(kind)


def columns(choice, count):
    """Return columns of extreme cells, of types that are drawn."""

    def drawn(values):
        return [choice.draw(st.sampled_from(values)) for _ in range(count)]

    kind = choice.draw(st.sampled_from([*MOMENTS, pa.date32(), pa.date64()]))
    number = choice.draw(st.sampled_from([pa.int64(), pa.float64()]))
    text = choice.draw(st.sampled_from([pa.string(), pa.large_string(), pa.bool_(), pa.int64()]))
    truths = [None if value is None else bool(value) for value in drawn(WHOLE)]
    few = {pa.bool_(): truths, pa.int64(): drawn(WHOLE)}.get(text, drawn(TEXTS))
    return {
        "pid": pa.array(drawn(["p", "q", "", "r", None]), pa.string()),
        "x": pa.array(drawn(WHOLE if number == pa.int64() else BROKEN), number),
        "day": cells(drawn(WHOLE), kind),
        "g": pa.array(few, text),
        "city": pa.array(drawn(TEXTS), pa.string()),
    }


@pytest.mark.parametrize("fields", QUESTIONS)
@settings(max_examples=40)
@given(choice=st.data(), count=st.integers(0, 15), units=st.sampled_from([10**5, 10**9]))
def test_every_question_is_answered_whatever_lies_in_the_cells(fields, choice, count, units):
    table = pa.table(columns(choice, count))
    question = read_question(json.dumps({"v": 1, "dataset": "d", "aggs": [{"op": "count"}]} | fields))
    asked = DpQuestion(question=question, domain=DOMAIN, version="v", units=units, bounding_key=bytes(32))
    found, empty = (
        pa.ipc.open_stream(
            run(asked, lambda names, rows=rows: rows.select(list(names)), Normalised(), lambda: None).stream
        ).read_all()
        for rows in (table, table.slice(0, 0))
    )
    assert found.schema == empty.schema
    keys = [key["col"] for key in fields.get("group_by", [])]
    if keys != ["city"]:
        assert found.select(keys) == empty.select(keys)
    values = [name for name in found.column_names if name not in {"x", *keys}]
    assert all(np.isfinite(np.asarray(found[name]).astype(float)).all() for name in values)
