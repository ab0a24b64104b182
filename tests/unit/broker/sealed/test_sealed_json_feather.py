"""JSON lines and Feather are sealed with the types they have, and what is broken is named by row or column."""

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from jupyter_secure.broker.sealed import json_source
from jupyter_secure.broker.sealed.contents import conformed
from jupyter_secure.broker.sealed.source import open_source
from jupyter_secure.protocol.errors import InputFileError

SECRET = "Ermintrude"


def of(tmp_path, *lines, **more):
    path = tmp_path / "table.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return open_source(path, **more)


def rows(source):
    return pa.Table.from_batches(source.batches(), source.schema)


def test_every_row_counts_for_the_type_of_a_column(tmp_path, monkeypatch):
    monkeypatch.setattr(json_source, "BATCH", 1)
    source = of(
        tmp_path,
        {"n": 1, "t": None},
        "",
        {"n": 2.5, "l": [], "s": {"x": 1}},
        {"t": "2020-01-31", "l": [{"k": True}], "s": {"y": "ü"}},
    )
    assert [f"{field.name} {field.type}" for field in source.schema] == [
        "n double",
        "t string",
        "l list<element: struct<k: bool>>",
        "s struct<x: int64, y: string>",
    ]
    assert rows(source).to_pylist() == [
        {"n": 1.0, "t": None, "l": None, "s": None},
        {"n": 2.5, "t": None, "l": [], "s": {"x": 1, "y": None}},
        {"n": None, "t": "2020-01-31", "l": [{"k": True}], "s": {"x": None, "y": "ü"}},
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "Row 2 is not one JSON object"),
        ('{"a": 1', "Row 2 is not"),
        ('{"a": NaN}', "Row 2 is not"),
        ('{"a": 1, "a": 2}', "Row 2 is not"),
        ("[" * 100_000, "Row 2 is not"),
        ('{"a": 1} {"a": 1}', "Row 2 is not"),
        (f'{{"a": "{SECRET}"}}', "Column `a` has values"),
        ('{"a": 99999999999999999999}', "Column `a` has values"),
        ('{"a": [1]}', "Column `a` has values"),
    ],
)
def test_a_broken_row_is_named_and_no_value_is(tmp_path, line, said):
    for number in (1 << 14, 1):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(json_source, "BATCH", number)
            with pytest.raises(InputFileError, match=said) as refused:
                of(tmp_path, {"a": 1}, line)
            assert SECRET not in refused.value.public


def test_bytes_that_are_no_text_and_files_without_columns_are_refused(tmp_path):
    (tmp_path / "bad.jsonl").write_bytes(b'{"a": "\xff"}\n')
    with pytest.raises(InputFileError, match="not UTF-8"):
        open_source(tmp_path / "bad.jsonl")
    for lines in ((), ("{}",), ("", "")):
        with pytest.raises(InputFileError, match="between 1 and"):
            of(tmp_path, *lines)


def test_the_types_of_a_dataset_are_taken_where_they_are_given(tmp_path):
    wanted = pa.schema([("d", pa.date32()), ("n", pa.int64())])
    source = of(tmp_path, {"d": "2020-01-31", "n": None, "x": None}, expected=wanted)
    assert [str(kind) for kind in source.schema.types] == ["date32[day]", "int64", "string"]
    assert rows(source).to_pylist() == [{"d": dt.date(2020, 1, 31), "n": None, "x": None}]
    with pytest.raises(InputFileError, match="Column `d` has a value that `date32"):
        rows(of(tmp_path, {"d": "31.1.2020"}, expected=wanted))
    with pytest.raises(InputFileError, match="`n` has the type `double`, and in the dataset `int64`"):
        conformed(of(tmp_path, {"d": None, "n": 1.5}, expected=wanted), wanted)


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_a_feather_file_is_read_in_its_types(tmp_path, compression):
    table = pa.table({"a": pa.array(["x", None]).dictionary_encode(), "l": [[1], None], "f": np.float16([1, 2])})
    feather.write_feather(table, tmp_path / "t.feather", compression=compression)
    found = rows(open_source(tmp_path / "t.feather"))
    assert [str(kind) for kind in found.schema.types] == ["string", "list<element: int64>", "float"]
    assert found.to_pylist() == [{"a": "x", "l": [1], "f": 1.0}, {"a": None, "l": None, "f": 2.0}]


def test_a_damaged_feather_file_is_refused(tmp_path):
    feather.write_feather(pa.table({"a": list(range(1000))}), tmp_path / "t.feather", compression="uncompressed")
    content = (tmp_path / "t.feather").read_bytes()
    for damaged in (content[:8], content[:-100], content[:200] + bytes(400) + content[600:-400] + bytes(400)):
        (tmp_path / "t.feather").write_bytes(damaged)
        with pytest.raises(InputFileError, match="damaged"):
            rows(open_source(tmp_path / "t.feather"))


@pytest.mark.parametrize("write", [feather.write_feather, pq.write_table], ids=["feather", "parquet"])
def test_text_that_is_not_utf_8_is_refused_by_column(tmp_path, write):
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    write(pa.table({"n": [1], "bad": bad}), tmp_path / "t.file")
    with pytest.raises(InputFileError, match="Column `bad` is damaged after row 0, or its text is not UTF-8"):
        rows(open_source(tmp_path / "t.file"))
