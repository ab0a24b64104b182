"""Reading what is to be sealed: types that hold for the whole file, broken rows named by number and never by value."""

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_secure.broker.sealed.source import open_source, sample
from jupyter_secure.protocol.errors import InputFileError

SECRET = "Ermintrude"


def of(tmp_path, content, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(content)
    return open_source(path)


def rows(source):
    return pa.Table.from_batches(source.batches(), source.schema).to_pydict()


def test_each_column_gets_the_type_that_all_its_values_have(tmp_path):
    source = of(
        tmp_path,
        b"n,f,d,t,b,s\n1,1,2020-01-31,2020-01-31T10:00:00,true,x\n-2,2.5,1999-12-01,1999-12-01 11:30:00,false,1\n",
    )
    assert [str(kind) for kind in source.schema.types] == [
        "int64", "double", "date32[day]", "timestamp[us]", "bool", "string",
    ]  # fmt: skip
    assert rows(source)["d"][0] == dt.date(2020, 1, 31)


def test_a_value_far_down_changes_the_type_of_its_column_and_breaks_nothing(tmp_path):
    source = of(tmp_path, b"a\n" + b"1\n" * 900_000 + b"x\n")
    assert source.schema.field("a").type == pa.string()
    assert sum(batch.num_rows for batch in source.batches()) == 900_001


@pytest.mark.parametrize("values", [b"02134\n10115\n", b"123456789012345678901\n5\n", b"9007199254740993\n1.5\n"])
def test_digits_that_a_number_would_lose_stay_text(tmp_path, values):
    source = of(tmp_path, b"a\n" + values)
    assert rows(source)["a"] == values.decode().split()


def test_an_empty_cell_is_null_and_a_quoted_empty_one_is_not(tmp_path):
    assert rows(of(tmp_path, b'a,b\n,x\n"",\n')) == {"a": [None, ""], "b": ["x", None]}


def test_words_for_missing_are_null_among_numbers_and_text_among_text(tmp_path):
    assert rows(of(tmp_path, b"a,b\n1,NA\nNA,Bo\n")) == {"a": [1, None], "b": ["NA", "Bo"]}


def test_quoted_line_breaks_commas_and_a_byte_order_mark_are_understood(tmp_path):
    source = of(tmp_path, b'\xef\xbb\xbfa,b\r\n"x\ny, z",1\r\n\r\n"q""q",2\r\n')
    assert rows(source) == {"a": ["x\ny, z", 'q"q'], "b": [1, 2]}


def test_tabs_separate_in_a_tsv(tmp_path):
    assert rows(of(tmp_path, b"a\tb\n1\tx,y\n", "table.tsv")) == {"a": [1], "b": ["x,y"]}


def test_a_header_without_rows_is_an_empty_table(tmp_path):
    source = of(tmp_path, b"a,b\n")
    assert source.schema.names == ["a", "b"]
    assert list(source.batches()) == [] or rows(source) == {"a": [], "b": []}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f"a,b\n1,2\n{SECRET}\n", "Row 3 has 1 column instead of 2"),
        (f"a,b\n1,2\n3,4\n{SECRET},5,6\n", "Row 4 has 3 columns instead of 2"),
        (f'a,b\n"x\ny",2\n{SECRET}\n', "Row 4 has 1 column instead of 2"),
        (f'a,b\n1,2\n"{SECRET},2\n3,4\n', "After row 2 a quotation mark is not closed"),
        (f'a,b\n"{SECRET}"x,2\n', "quotation mark"),
    ],
)
def test_a_broken_row_is_named_by_its_line_and_never_shown(tmp_path, content, sentence):
    with pytest.raises(InputFileError, match=sentence) as caught:
        of(tmp_path, content.encode())
    assert SECRET not in caught.value.public + caught.value.detail
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_broken_row_after_a_million_others_is_found(tmp_path):
    with pytest.raises(InputFileError, match="Row 200002 has 1 column instead of 2"):
        of(tmp_path, b"a,b\n" + b"1,2\n" * 200_000 + b"3\n")


def test_bytes_that_are_not_utf_8_are_refused(tmp_path):
    with pytest.raises(InputFileError, match="UTF-8"):
        of(tmp_path, b"a,b\n1,\xff\n")


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (b"", "between 1 and"),
        (b"a,\n", "Column 2 has no name"),
        (b"a,A\n", "Column 2 has the same name"),
        (b'a,"b,c"\n', "comma"),
        (b"a:b\n", "colon"),
        (b"a;b\n1;2,5\n", "separated by semicolons"),
        (b"a, b\n", "blank"),
        (b'a,"b\tc"\n', "control"),
        (b"a," + b"x" * 129 + b"\n", "128"),
    ],
)
def test_a_column_whose_name_cannot_be_carried_is_refused_by_position(tmp_path, header, sentence):
    with pytest.raises(InputFileError, match=sentence):
        of(tmp_path, header)


def test_a_parquet_file_is_known_by_its_content_and_brought_to_plain_types(tmp_path):
    table = pa.table(
        {
            "c": pa.array(["x", "y"]).dictionary_encode(),
            "l": pa.array(["x", None], pa.large_string()),
            "n": pa.nulls(2),
        }
    ).replace_schema_metadata({"note": SECRET})
    pq.write_table(table, tmp_path / "table.data")
    source = open_source(tmp_path / "table.data")
    assert set(source.schema.types) == {pa.string()}
    assert source.schema.metadata is None
    assert rows(source) == {"c": ["x", "y"], "l": ["x", None], "n": [None, None]}


def test_a_column_that_cannot_be_sealed_is_refused_by_name(tmp_path):
    digits = pa.array([1, 2]).cast(pa.decimal256(50))
    pq.write_table(pa.table({"a": digits}), tmp_path / "nested.parquet")
    with pytest.raises(InputFileError, match="Column `a`"):
        open_source(tmp_path / "nested.parquet")


def test_a_damaged_parquet_file_is_an_input_error(tmp_path):
    pq.write_table(pa.table({"a": list(range(100_000))}), tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    with pytest.raises(InputFileError):
        of(tmp_path, content[: len(content) // 2], "cut.parquet")


@pytest.mark.parametrize("name", ["table.xlsx", "table"])
def test_a_file_of_another_kind_is_refused(tmp_path, name):
    with pytest.raises(InputFileError, match="neither"):
        of(tmp_path, b"PK\x03\x04", name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputFileError, match="cannot be read"):
        open_source(tmp_path / "none.csv")


def test_a_sample_is_the_first_rows(tmp_path):
    assert sample(of(tmp_path, b"a\n1\n2\n3\n"), 2).to_pydict() == {"a": [1, 2]}
