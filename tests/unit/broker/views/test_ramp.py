"""Cutting the first and the last batch changes no row and no order."""

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given

from jupyter_secure.broker.views.ramp import FIRST, ramped


def batches(heights):
    first = 0
    for height in heights:
        yield height, {"n": pa.array(range(first, first + height), pa.int32()), "same": pa.nulls(height)}
        first += height


def heights(found):
    return [height for height, _ in found]


@given(st.lists(st.integers(0, 40_000), max_size=6), st.booleans())
def test_all_rows_come_in_their_order(sizes, known):
    rows = sum(sizes)
    found = list(ramped(batches(sizes), rows if known else 0))
    assert [value for _, columns in found for value in columns["n"].to_pylist()] == list(range(rows))
    assert all(height == len(array) for height, columns in found for array in columns.values())
    assert all(height for height in heights(found)) or not all(sizes)


@pytest.mark.parametrize(
    ("sizes", "total", "expected"),
    [
        ([100_000, 100_000, 80_000], 280_000, [*FIRST, 50_848, 100_000, 40_000, 20_000, 20_000]),
        ([100_000, 100_000, 80_000], 0, [*FIRST, 50_848, 100_000, 80_000]),
        ([10_000], 10_000, [10_000]),
        ([20_000, 3], 20_003, [1 << 14, 3616, 1, 2]),
        ([0], 0, [0]),
        ([], 0, []),
    ],
)
def test_the_first_and_the_last_are_cut(sizes, total, expected):
    assert heights(ramped(batches(sizes), total)) == expected
