"""Rows come after those that are sealed, and what is sealed is not written again."""

import os

import pyarrow as pa
import pytest

from jupyter_secure.broker.sealed import check, writer
from jupyter_secure.broker.sealed.contents import Appended
from jupyter_secure.broker.sealed.rotate import rotate
from jupyter_secure.protocol.errors import InputFileError, IntegrityError, RefusedError
from jupyter_secure.testing.sealed_data import TableSource, read


def append(data, table, now=2):
    content = Appended(data.catalog, data.keychain, "patients", TableSource(table))
    return writer.seal(data.catalog, data.keychain, content, name="patients", tags={}, now=now)


def test_rows_are_added_without_rewriting_a_part(data, table):
    first = data.seal(table)
    before = data.path().read_bytes()
    second = append(data, table.slice(0, 7))
    third = append(data, table.slice(7, 3))
    assert data.path(version=3).samefile(data.path())
    assert data.path().read_bytes() == before
    assert [it.name for it in sorted(data.path(version=3).parent.glob("part*"))] == [
        f"part-0000{number}.parquet" for number in range(3)
    ]
    found = read(data.open(table.column_names))
    assert found["age"].to_list() == [*range(2500), *range(7), *range(7, 10)]
    assert [read(data.open(["age"], version=it)).height for it in (1, 2, 3)] == [2500, 2507, 2510]
    chain = [data.catalog.signed("patients", number).manifest.parent for number in (1, 2, 3)]
    assert chain == [None, first.digest, second.digest]
    assert third.rows == 2510
    assert all(report.sound for report in check.check_all(data.catalog, data.keychain))


def test_what_was_added_is_rotated_and_added_to_again(data, table):
    data.seal(table)
    append(data, table.slice(0, 7))
    rotate(data.catalog, data.keychain, "patients")
    append(data, table.slice(0, 7))
    rotate(data.catalog, data.keychain, "patients")
    assert [read(data.open(["cost"], version=it)).height for it in (1, 2, 3)] == [2500, 2507, 2514]
    assert all(report.sound for report in check.check_all(data.catalog, data.keychain))


def test_a_file_system_without_second_names_gets_a_copy(data, table, monkeypatch):
    def refuse(*_args, **_more):
        raise OSError

    data.seal(table)
    monkeypatch.setattr(os, "link", refuse)
    append(data, table.slice(0, 7))
    assert not data.path(version=2).samefile(data.path())
    assert data.path(version=2).stat().st_mode & 0o777 == 0o600
    assert read(data.open(["age"])).height == 2507
    assert all(report.sound for report in check.check_all(data.catalog, data.keychain))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"name": ["x"], "age": [1]}, "`cost` is missing"),
        ({"name": ["x"], "age": [1], "cost": [1.0], "more": [1]}, "no column `more`"),
        ({"name": ["x"], "age": ["one"], "cost": [1.0]}, "`age` has the type `string`, and in the dataset `int64`"),
        ({"name": ["x"], "age": pa.array([2**64 - 1], pa.uint64()), "cost": [1.0]}, "`age` has a value that"),
    ],
)
def test_other_columns_are_refused_by_name(data, table, columns, said):
    data.seal(table)
    with pytest.raises(InputFileError, match=said):
        append(data, pa.table(columns))
    assert data.catalog.versions("patients") == (1,)


def test_columns_in_another_order_and_narrower_types_find_their_places(data, table):
    data.seal(table)
    append(data, pa.table({"cost": pa.array([1, None]), "age": pa.array([3, 4], pa.int8()), "name": ["x", "y"]}))
    found = read(data.open(table.column_names)).tail(2).to_dict(as_series=False)
    assert found == {"name": ["x", "y"], "age": [3, 4], "cost": [1.0, None]}


def test_nothing_is_added_to_what_is_not_there_or_not_what_was_sealed(data, table):
    with pytest.raises(RefusedError):
        append(data, table)
    data.seal(table)
    content = bytearray(data.path().read_bytes())
    content[-20] ^= 1
    data.path().write_bytes(content)
    with pytest.raises(IntegrityError):
        append(data, table)
    assert data.catalog.versions("patients") == (1,)
