"""A folder of Parquet files is one table; the file that does not fit is named."""

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from jupyter_secure.broker.sealed.source import open_source
from jupyter_secure.protocol.errors import InputFileError

TABLE = pa.table({"age": [1, 2, 3, 4], "year": [2020, 2020, 2021, None], "town": ["a b", "c/d", "a b", None]})


def rows(source):
    return pa.Table.from_batches(source.batches(), source.schema)


def test_what_arrow_partitions_is_read_back_with_its_columns(tmp_path):
    ds.write_dataset(TABLE, tmp_path / "t", format="parquet", partitioning=["year", "town"], partitioning_flavor="hive")
    (tmp_path / "t" / "_SUCCESS").touch()
    (tmp_path / "t" / ".part.crc").touch()
    found = rows(open_source(tmp_path / "t"))
    assert found.schema.equals(TABLE.schema)
    assert found.sort_by("age").equals(TABLE)


def test_files_come_in_the_order_of_their_names(tmp_path):
    for number in (3, 1, 2):
        pq.write_table(pa.table({"n": [number]}), tmp_path / f"{number}.parquet")
    assert rows(open_source(tmp_path)).to_pydict() == {"n": [1, 2, 3]}


def test_digits_that_a_number_would_lose_stay_text(tmp_path):
    for name in ("02134", "10115"):
        folder = tmp_path / f"zip={name}"
        folder.mkdir()
        pq.write_table(pa.table({"n": [1]}), folder / "x.parquet")
    assert rows(open_source(tmp_path)).to_pydict() == {"n": [1, 1], "zip": ["02134", "10115"]}


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"n": [1.5], "m": [1]}, "column `n` as `double` and not `int64`"),
        ({"n": [1]}, "has no column `m`"),
        ({"n": [1], "m": [1], "k": [1]}, "one column more, `k`"),
        ({"m": [1], "n": [1]}, "in another order"),
    ],
)
def test_a_file_that_differs_is_named_with_its_column(tmp_path, second, said):
    pq.write_table(pa.table({"n": [1], "m": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table(second), tmp_path / "b.parquet")
    with pytest.raises(InputFileError, match=rf"`b\.parquet` .*{said}"):
        open_source(tmp_path)


def test_folders_with_other_keys_twice_a_column_and_strange_files_are_refused(tmp_path):
    with pytest.raises(InputFileError, match="no Parquet file"):
        open_source(tmp_path)
    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    (tmp_path / "k=1").mkdir()
    pq.write_table(pa.table({"n": [1]}), tmp_path / "k=1" / "b.parquet")
    with pytest.raises(InputFileError, match="columns in the names of its folders"):
        open_source(tmp_path)
    (tmp_path / "a.parquet").unlink()
    pq.write_table(pa.table({"k": [1]}), tmp_path / "k=1" / "b.parquet")
    with pytest.raises(InputFileError, match="same name"):
        open_source(tmp_path)
    (tmp_path / "k=1" / "b.parquet").write_bytes(b"PAR1 damaged")
    with pytest.raises(InputFileError, match="damaged"):
        open_source(tmp_path)
    (tmp_path / "k=1" / "c.csv").write_text("n\n1\n")
    with pytest.raises(InputFileError, match=r"damaged|no Parquet file"):
        open_source(tmp_path)
    (tmp_path / "k=1" / "b.parquet").unlink()
    (tmp_path / "k=1" / "c.csv").unlink()
    (tmp_path / "k=1" / "d.parquet").symlink_to(tmp_path / "a.parquet")
    with pytest.raises(InputFileError, match="no Parquet file"):
        open_source(tmp_path)
