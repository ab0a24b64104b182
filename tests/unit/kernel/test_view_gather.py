"""What is gathered batch by batch is what Arrow makes of the whole."""

import datetime as dt

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given

from jupyter_secure.kernel.frames import gatherer
from jupyter_secure.kernel.gather import SMALLEST

KINDS = {
    "int8": pa.int8(),
    "uint64": pa.uint64(),
    "int64": pa.int64(),
    "half": pa.float16(),
    "float": pa.float32(),
    "double": pa.float64(),
    "flag": pa.bool_(),
    "text": pa.large_string(),
    "moment": pa.timestamp("ms"),
    "zoned": pa.timestamp("us", "Europe/Berlin"),
    "lasting": pa.duration("us"),
    "day": pa.date32(),
}


def value(kind):
    if pa.types.is_boolean(kind):
        return st.booleans()
    if pa.types.is_large_string(kind):
        return st.text(max_size=4)
    if pa.types.is_floating(kind):
        return st.floats(allow_nan=True, width=kind.bit_width)
    if pa.types.is_date(kind):
        return st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
    if pa.types.is_integer(kind):
        limits = np.iinfo(kind.to_pandas_dtype())
        return st.integers(int(limits.min), int(limits.max))
    return st.integers(-(10**15), 10**15)  # a time


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 20))
    columns = {}
    for name, kind in KINDS.items():
        cell = value(kind) | st.none() if draw(st.booleans()) else value(kind)
        cells = draw(st.lists(cell, min_size=rows, max_size=rows))
        if pa.types.is_temporal(kind) and not pa.types.is_date(kind):
            columns[name] = pa.array(cells, pa.int64()).cast(kind)
        else:
            columns[name] = pa.array(cells, kind)
    return pa.table(columns)


def gathered(table, step, expected=0):
    found = gatherer("pandas", table.schema, expected)
    for batch in table.to_batches(max_chunksize=step):
        found.add(batch)
    return found.done()


@given(tables(), st.integers(1, 7), st.sampled_from([0, 3, 20, 1000]))
def test_a_frame_does_not_show_in_how_many_batches_it_came(table, step, expected):
    pd.testing.assert_frame_equal(gathered(table, step, expected), table.to_pandas())


@pytest.mark.parametrize("step", [1, 4])
def test_every_column_can_be_written_to(step):
    table = pa.table(
        {
            name: pa.array([0, 1, 1, 0], pa.int8()).cast(pa.int64()).cast(kind)
            for name, kind in KINDS.items()
            if not pa.types.is_date(kind) and not pa.types.is_float16(kind)
        }
    )
    frame = gathered(table, step, 4)
    for name in frame:
        frame.loc[0, name] = frame.loc[1, name]
        assert frame.loc[0, name] == frame.loc[1, name]


def test_more_rows_than_room_was_made_for_are_kept():
    rows = 3 * SMALLEST + 1
    frame = gathered(pa.table({"n": range(rows)}), SMALLEST - 1)
    assert frame["n"].tolist() == list(range(rows))


def test_a_small_part_of_what_was_expected_does_not_hold_the_room_for_all():
    frame = gathered(pa.table({"n": range(10)}), 10, 1 << 20)
    assert frame["n"].to_numpy().base is None or frame["n"].to_numpy().base.size < 1 << 10
