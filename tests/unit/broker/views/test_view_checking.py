"""The check of a view, against counting by hand."""

import math
import tempfile
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jupyter_secure.broker.views.checking import check
from jupyter_secure.broker.views.masking import choose_masks, masked
from jupyter_secure.broker.views.scan import Scan
from jupyter_secure.broker.views.sift import sifted
from jupyter_secure.protocol.errors import DisclosureError
from jupyter_secure.protocol.treatment import Generalize, Keep, Redact, Suppress
from jupyter_secure.protocol.view import ColumnView, Disclosure
from tests.views_vault import plan

ROW = st.tuples(
    st.one_of(st.none(), st.integers(0, 6)),
    st.sampled_from(["10115", "10117", "20115", None, ""]),
    st.sampled_from([1.0, 12.0, 19.5, math.nan, None]),
    st.sampled_from(["a", "b", None]),
)
FINE = {"zip": Generalize(prefix=3), "age": Generalize(width=10), "finding": Keep()}
COARSE = {"zip": Redact(), "age": Suppress()}


def views(treatments):
    return tuple(ColumnView(name=name, treatment=treatment, rule="r") for name, treatment in treatments.items())


def crossing(folder, table, asked):
    """Return the rows that cross, with what would be seen of each, and how the check came out."""
    wanted = replace(plan(folder, table, {"row": Keep(), **FINE, "person": Keep()}, bytes(32)), disclosure=asked)
    scan = Scan(wanted)
    try:
        fit = check(wanted, scan, lambda _: None)
        masks = choose_masks(fit.plan, scan.types)
        schema = pa.schema([pa.field(name, mask.wire) for name, mask in masks.items()])
        batches = fit.kept(sifted(scan.batches(fit.reads), fit.plan, scan.types))
        rows = [row for height, columns in batches for row in masked(height, columns, masks, schema).to_pylist()]
        return fit.checked, rows
    finally:
        scan.close()


def combination(row):
    # NaN differs from itself in Python, and is one value here.
    return row["zip"], "nan" if row["age"] is not None and math.isnan(row["age"]) else row["age"]


@given(
    rows=st.lists(ROW, max_size=40),
    k=st.integers(1, 4),
    l=st.integers(1, 2),
    unique=st.one_of(st.none(), st.floats(0, 0.5)),
    suppress=st.sampled_from([0.0, 0.3, 1.0]),
    named=st.booleans(),
)
def test_what_crosses_fits_and_nothing_more_is_left_out(rows, k, l, unique, suppress, named):  # noqa: E741 - as in the terms
    table = pa.table(
        {
            "row": list(range(len(rows))),
            "person": pa.array([row[0] for row in rows], pa.int64()),
            "zip": pa.array([row[1] for row in rows], pa.string()),
            "age": pa.array([row[2] for row in rows], pa.float64()),
            "finding": pa.array([row[3] for row in rows], pa.string()),
        }
    )
    fine = {name: FINE[name] for name in ("zip", "age")}
    asked = Disclosure(
        k=k,
        l=l,
        unique=unique,
        suppress=suppress,
        subject="person" if named else None,
        steps=(views(fine), views(COARSE)),
        sensitive=views({"finding": Keep()}),
    )
    with tempfile.TemporaryDirectory() as folder:
        _, everything = crossing(Path(folder) / "all", table, replace(asked, k=1, l=1, unique=None))
        try:
            checked, found = crossing(Path(folder) / "some", table, asked)
        except DisclosureError:
            assert suppress < 1
            return
    classes = defaultdict(list)
    for row in everything:
        shown = row if checked.step == 0 else {**row, "zip": row["zip"] and "***", "age": None}
        classes[combination(shown)].append(shown)
    persons = {
        name: len({row["person"] if named else row["row"] for row in members}) for name, members in classes.items()
    }
    alone = sum(len(members) for name, members in classes.items() if persons[name] == 1)
    single = unique is not None and alone > unique * len(everything)
    fits = {
        name
        for name, members in classes.items()
        if persons[name] >= k and len({row["finding"] for row in members}) >= l and not (single and persons[name] == 1)
    }
    if checked.step == 0:
        assert [row["row"] for row in found] == [row["row"] for row in everything if combination(row) in fits]
    assert {row["row"] for row in found} == {row["row"] for name in fits for row in classes[name]}
    assert checked.left_out == len(everything) - len(found) <= suppress * len(everything)
    assert checked.smallest == min((persons[name] for name in fits), default=0)


def test_a_column_whose_values_cannot_be_told_apart_fails_the_check(tmp_path):
    table = pa.table({"zip": pa.array([1, 1, 1], pa.duration("s"))})
    whole = views({"zip": Keep()})
    asked = Disclosure(k=2, l=1, unique=None, suppress=1.0, subject=None, steps=(whole,))
    wanted = replace(plan(tmp_path, table, {"zip": Keep()}, bytes(32)), disclosure=asked)
    scan = Scan(wanted)
    with pytest.raises(DisclosureError):
        check(wanted, scan, lambda _: None)
    scan.close()
