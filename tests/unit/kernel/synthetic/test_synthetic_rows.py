"""Rows from tables: consistent, drawn without error of their own, and in the types of the real columns."""

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_secure.kernel.synthetic import compare
from jupyter_secure.kernel.synthetic.drawing import Tables, consistent, draw, projected
from jupyter_secure.kernel.synthetic.values import left_out, shown_type, values_of
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import ColumnOffer, DpColumn

noise = st.integers(-60, 60)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 1e6))
def test_a_projection_adds_up_and_is_nowhere_negative(counts, total):
    found = projected(np.array(counts), total)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(total, abs=1e-3)


def test_a_projection_of_what_is_right_already_changes_nothing():
    assert projected(np.array([3.0, 0.0, 5.0]), 8.0).tolist() == [3, 0, 5]
    assert projected(np.array([4.0, -np.inf]), 4.0).tolist() == [4, 0]


def tables(off=(), classes=2):
    """Return the tables of a column and its child, one target; `off` is the noise in all their numbers."""
    counts = np.arange(1, 1 + 3 * 4 * classes, dtype=float).reshape(3, 4, classes) * 10
    off = iter([*off, *[0] * 200])

    def noisy(table):
        return table + np.array([next(off) for _ in range(table.size)], dtype=float).reshape(table.shape)

    ones = {0: noisy(counts.sum(0)), 2: noisy(counts.sum(1))}
    return Tables(noisy(counts.sum((0, 1))), ones, {2: 0}, {2: noisy(counts)})


@settings(max_examples=100)
@given(st.lists(noise, max_size=60), st.integers(1, 3))
def test_consistent_tables_agree_with_one_another(off, classes):
    found = consistent(tables(off, classes), margin=0.0)
    assert (found.totals >= 0).all()
    for place in (0, 2):
        assert (found.ones[place] >= 0).all()
        np.testing.assert_allclose(found.ones[place].sum(0), found.totals, rtol=1e-6, atol=1e-6)
    assert (found.pairs[2] >= 0).all()
    np.testing.assert_allclose(found.pairs[2].sum(0), found.ones[0], rtol=1e-6, atol=1e-3)


def test_without_noise_the_rows_have_the_counts_of_the_tables():
    exact = tables()
    rows = int(exact.totals.sum())
    target, cells = draw(consistent(exact, margin=0.0), rows, seed=5)
    found = np.zeros((3, 4, 2))
    np.add.at(found, (cells[2], cells[0], target), 1)
    assert np.bincount(target).tolist() == exact.totals.tolist()
    assert np.abs(found - exact.pairs[2]).max() <= 1.5  # systematic sampling is off by less than one row in each step
    assert not (np.diff(target) >= 0).all()  # and the rows are mixed


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_any_number_of_rows_is_drawn_and_a_seed_draws_them_again(rows):
    ready = consistent(tables([5, -7, 20]), margin=0.0)
    one, again, other = (draw(ready, rows, seed)[1] for seed in (1, 1, 2))
    assert len(one[0]) == len(one[2]) == rows
    assert all((one[place] == again[place]).all() for place in one)
    assert rows < 100 or any((one[place] != other[place]).any() for place in one)


def test_tables_of_noise_alone_still_give_rows():
    nothing = Tables(
        np.array([-5.0]), {0: np.full((3, 1), -2.0), 1: np.zeros((2, 1))}, {1: 0}, {1: np.zeros((2, 3, 1))}
    )
    _, cells = draw(consistent(nothing, margin=10.0), 50, seed=0)
    assert set(cells[0]) <= {0, 1}  # the last cell, the missing ones, is smaller than the noise
    assert set(cells[1]) <= {0, 1}


def test_a_small_cell_of_missing_values_is_taken_as_noise_and_a_large_one_is_kept():
    few = Tables(np.array([100.0]), {0: np.array([[90.0], [10.0]])}, {}, {})
    assert consistent(few, margin=6.0).ones[0].ravel().tolist() == [100, 0]
    assert consistent(few, margin=4.0).ones[0].ravel().tolist() == [90, 10]
    target = Tables(np.array([60.0, 30.0, 4.0]), {0: np.array([[60.0, 30.0, 4.0]])}, {}, {})
    assert consistent(target, margin=5.0).totals.tolist() == [62, 32, 0]


NUMBERS = {"lower": 0.0, "upper": 10.0, "resolution": 0.5}
DATES = {"lower": 18262.0, "upper": 18292.0, "resolution": 1.0}
KINDS = [
    ("number", "int64", NUMBERS | {"resolution": 1.0}, pa.int64()),
    ("number", "uint8", {"lower": 0.0, "upper": 300.0, "resolution": 1.0}, pa.uint8()),
    ("number", "double", NUMBERS, pa.float64()),
    ("number", "float", NUMBERS, pa.float32()),
    ("number", "decimal128(6, 2)", NUMBERS, pa.decimal128(6, 2)),
    ("date", "date32[day]", DATES, pa.date32()),
    ("date", "timestamp[us]", DATES, pa.timestamp("us")),
    ("date", "timestamp[ns, tz=Europe/Berlin]", DATES, pa.timestamp("ns", "Europe/Berlin")),
]


@pytest.mark.parametrize(("kind", "arrow", "bounds", "shown"), KINDS)
def test_numbers_come_in_their_type_and_stay_in_their_cell(kind, arrow, bounds, shown):
    column = DpColumn(name="x", kind=kind, type=arrow, **bounds)
    cut = (bounds["lower"] + bounds["upper"]) / 2
    cells = np.repeat([0, 1, 2], 500)
    found = values_of(column, [cut], cells, np.random.default_rng(0))
    assert found.type == shown_type(arrow) == shown
    assert found.slice(1000).null_count == 500
    assert found.slice(0, 1000).null_count == 0
    plain = [as_number(value) for value in found.slice(0, 1000).to_pylist()]
    assert all(bounds["lower"] <= value < cut for value in plain[:500])
    assert all(cut <= value <= bounds["upper"] for value in plain[500:])
    assert max(plain) > cut + (bounds["upper"] - cut) * 0.8 or arrow == "uint8"  # which ends at 255
    assert all(value % bounds["resolution"] == 0 for value in plain)


def as_number(value):
    if isinstance(value, dt.datetime):
        return (value.date() - dt.date(1970, 1, 1)).days
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days
    return float(value) if isinstance(value, decimal.Decimal) else value


@pytest.mark.parametrize(
    ("arrow", "keys", "values"),
    [
        ("string", ("a", "b"), ["a", "b", None]),
        ("dictionary<values=string, indices=int32, ordered=0>", ("a", "b"), ["a", "b", None]),
        ("int64", ("4", "7"), [4, 7, None]),
        ("bool", ("true", "false"), [True, False, None]),
    ],
)
def test_categories_are_their_keys(arrow, keys, values):
    column = DpColumn(name="x", kind="category", keys=keys, type=arrow)
    assert values_of(column, (), np.array([0, 1, 2]), np.random.default_rng(0)).to_pylist() == values


def test_columns_that_nobody_may_ask_about_are_tokens_or_empty():
    rng = np.random.default_rng(0)
    token = ColumnOffer(name="pid", type="int64", tag=None, treatment="pseudonym", reason="")
    tokens = left_out(token, 1000, rng)
    assert len(set(tokens.to_pylist())) == 1000
    assert {len(each) for each in tokens.to_pylist()} == {16}
    for kind in ("string", "int64", "timestamp[us]", "list<item: int64>"):
        column = ColumnOffer(name="x", type=kind, tag=None, treatment="redact", reason="")
        assert left_out(column, 5, rng).null_count == 5


def test_a_comparison_finds_what_is_equal_and_what_is_not():
    rng = np.random.default_rng(1)
    real = pd.DataFrame({"x": rng.normal(size=4000), "g": rng.choice(["a", "b"], 4000), "e": None})
    real["y"] = real.x + rng.normal(size=4000)
    real["rich"] = (real.x + rng.normal(size=4000) * 0.1 > 0).astype(int)
    same = compare(real.assign(e=1), real, target="rich").set_index("measure")
    assert same.loc["total variation, one column", "value"].max() == 0
    assert same.loc["difference of correlation", "value"].max() == 0
    assert same.loc["area under the curve, trained on synthetic rows", "value"] > 0.95
    mixed = real.assign(x=rng.permutation(real.x), g="a")
    apart = compare(mixed, real).set_index(["measure", "of"]).value
    assert apart["total variation, one column", "x"] == 0
    assert apart["total variation, one column", "g"] == pytest.approx(0.5, abs=0.03)
    assert apart["total variation, two columns", "x, y"] > 0.2
    assert apart["difference of correlation", "x, y"] > 0.5


def test_frames_that_cannot_be_compared_are_refused():
    with pytest.raises(InvalidRequestError, match="share no column"):
        compare(pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}))
    three = pd.DataFrame({"a": range(30), "t": [0, 1, 2] * 10})
    with pytest.raises(InvalidRequestError, match="two values"):
        compare(three, three, target="t")
