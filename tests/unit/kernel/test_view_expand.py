"""Columns of one run come out as plain text and share what is the same in each batch."""

import pyarrow as pa
import pytest

from jupyter_secure.kernel.expand import expand, shown_schema


def shown(run_ends, values, cut=slice(None)):
    runs = pa.RunEndEncodedArray.from_arrays(pa.array(run_ends, pa.int32()), pa.array(values, pa.string()))
    batch = pa.RecordBatch.from_arrays([runs[cut]], ["text"])
    [column] = expand(batch, shown_schema(batch.schema)).columns
    column.validate(full=True)
    assert column.type == pa.large_string()
    return column


@pytest.mark.parametrize("value", ["***", "", "ä", None])
@pytest.mark.parametrize("rows", [1, 8, 1001])
def test_one_run_is_its_value_in_each_row(value, rows):
    column = shown([rows], [value])
    assert column.to_pylist() == [value] * rows
    assert column.null_count == (rows if value is None else 0)


def test_part_of_a_run_has_only_its_rows():
    assert shown([10], ["a"], slice(3, 5)).to_pylist() == ["a", "a"]


def test_several_runs_and_none_stay_what_they_are():
    assert shown([2, 3], ["a", None]).to_pylist() == ["a", "a", None]
    assert shown([], []).to_pylist() == []


def test_batches_of_the_same_rows_share_their_offsets():
    first, second, other = shown([500], ["***"]), shown([500], ["---"]), shown([500], ["x"])
    assert first.buffers()[1].address == second.buffers()[1].address != other.buffers()[1].address


def texts(values):
    batch = pa.RecordBatch.from_arrays([pa.array(values, pa.string())], ["text"])
    [column] = expand(batch, shown_schema(batch.schema)).columns
    column.validate(full=True)
    assert column.type == pa.large_string()
    assert column.to_pylist() == values
    return column


def test_texts_of_one_length_share_their_offsets():
    first, second = texts(["abcd", "efgh", "ijkl"]), texts(["1234", "5678", "9abc"])
    assert first.buffers()[1].address == second.buffers()[1].address


@pytest.mark.parametrize(
    "values", [[], [""], [None], ["a", None], ["", "b"], ["abcd", "efgh", ""], ["", "abcd", "efgh"], ["ab", "cd", None]]
)
def test_texts_of_any_length_stay_what_they_are(values):
    texts(values)


def test_part_of_texts_of_one_length_has_only_its_rows():
    batch = pa.RecordBatch.from_arrays([pa.array(["ab", "cd", "ef", "gh"])], ["text"]).slice(1, 2)
    [column] = expand(batch, shown_schema(batch.schema)).columns
    assert column.to_pylist() == ["cd", "ef"]


def test_batches_with_the_same_run_share_it():
    first, second = shown([700], ["***"]), shown([700], ["***"])
    assert first.buffers()[2].address == second.buffers()[2].address
