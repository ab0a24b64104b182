"""Frames have the dtypes that pandas gives for the plain file."""

import builtins
import datetime as dt
import decimal
import subprocess
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_secure.kernel.frames import to_frame
from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError


@pytest.fixture
def table():
    """Return a table with a column of many kinds."""
    return pa.table(
        {
            "text": ["a", None, "c"],
            "whole": pa.array([1, 2, 3], pa.int16()),
            "with_nulls": pa.array([1, None, 3]),
            "real": [1.5, None, 2.5],
            "flag": [True, None, False],
            "sure": [True, True, False],
            "day": [dt.date(2020, 1, 1), None, dt.date(2021, 1, 1)],
            "moment": pa.array([0, None, 10], pa.timestamp("us")),
            "zoned": pa.array([0, 5, 10], pa.timestamp("us", "UTC")),
            "exact": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("2.50")]),
            "gone": pa.nulls(3, pa.string()),
        }
    )


def test_pandas_frames_equal_what_pandas_reads_from_the_plain_file(table, tmp_path):
    pq.write_table(table, tmp_path / "plain.parquet")
    pd.testing.assert_frame_equal(to_frame(table), pd.read_parquet(tmp_path / "plain.parquet"))


def test_polars_and_arrow_frames_hold_the_same_rows(table):
    assert to_frame(table, "arrow") is table
    assert to_frame(table, "polars").equals(pl.from_arrow(table))


def test_a_kernel_without_polars_is_told_so(table, monkeypatch):
    original = builtins.__import__

    def without_polars(name, *rest):
        if name == "polars":
            raise ImportError
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_polars)
    with pytest.raises(InstallationError, match="polars is not installed"):
        to_frame(table, "polars")


def test_another_kind_of_frame_is_refused(table):
    with pytest.raises(InvalidRequestError):
        to_frame(table, "excel")


def test_nothing_but_the_frame_stays_in_memory():
    # In a process of its own, whose memory nothing else has used.
    held = subprocess.run([sys.executable, "-c", HOLDING], capture_output=True, text=True, check=True).stdout
    after_the_frame, after_asking_again = map(int, held.split())
    assert after_the_frame - after_asking_again < 4 << 20


HOLDING = """
import pyarrow as pa
import pyarrow.compute as pc
from jupyter_secure.kernel.frames import gatherer

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

whole = pa.array(range(1 << 20))
schema = pa.schema([(str(n), pa.int64()) for n in range(8)])
gathered = gatherer("pandas", schema, 1 << 20)
for k in range(8):
    piece = whole.slice(k << 17, 1 << 17)
    gathered.add(pa.record_batch([pc.add(piece, n) for n in range(8)], schema=schema))
frame = gathered.done()
first = held()
pa.default_memory_pool().release_unused()
print(first, held())
"""
