"""Sealing: what comes out is what went in, and a failure leaves nothing."""

import datetime as dt
import decimal
import json
import stat

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_secure.broker.sealed import parts, writer
from jupyter_secure.broker.sealed.contents import Fresh
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import (
    AuditUnavailableError,
    ConflictError,
    InputFileError,
    InvalidRequestError,
    LockedError,
)
from jupyter_secure.testing.sealed_data import TableSource, read


def untouched(data):
    return data.catalog.names() == () and [path.name for path in data.datasets.iterdir()] in ([], [".lock"])


def test_what_is_opened_is_what_was_sealed(data, table):
    version = data.seal(table, tags={"name": Tag.DIRECT})
    opened = data.open(table.column_names)
    assert read(opened).to_dict(as_series=False) == table.to_pydict()
    assert (version.version, version.rows, opened.rows) == (1, 2500, 2500)
    assert [column.tag for column in version.columns] == [Tag.DIRECT, None, None]


def test_versions_count_up_and_name_their_parent(data, table):
    first, second = data.seal(table), data.seal(table.slice(0, 10))
    assert (first.version, second.version) == (1, 2)
    assert data.catalog.signed("patients", 2).manifest.parent == first.digest
    assert data.catalog.latest("patients") == second
    assert read(data.open(["age"], version=1)).height == 2500


def test_the_log_is_told_before_the_version_counts(data, table):
    seen = []

    def record(version):
        seen.append((version.digest, data.catalog.names()))

    version = writer.seal(
        data.catalog, data.keychain, Fresh(TableSource(table)), name="p", tags={}, now=1, record=record
    )
    assert seen == [(version.digest, ())]


def test_without_the_log_nothing_is_sealed(data, table):
    def record(_):
        raise AuditUnavailableError

    with pytest.raises(AuditUnavailableError):
        writer.seal(data.catalog, data.keychain, Fresh(TableSource(table)), name="p", tags={}, now=1, record=record)
    assert untouched(data)


def test_a_source_that_breaks_in_the_middle_leaves_nothing(data, table):
    class Breaks(TableSource):
        def batches(self):
            yield from list(super().batches())[:2]
            raise InputFileError("Row 2001 is broken.")

    with pytest.raises(InputFileError, match="2001"):
        writer.seal(data.catalog, data.keychain, Fresh(Breaks(table)), name="p", tags={}, now=1)
    assert untouched(data)


def test_a_full_disk_leaves_nothing_and_says_so(data, table, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "write_durably", full)
    with pytest.raises(InputFileError, match="disk full"):
        data.seal(table)
    assert untouched(data)


def test_a_crash_before_the_version_counted_is_cleared_by_the_next_seal(data, table):
    (data.datasets / ".sealing-0000").mkdir()
    orphan = data.datasets / "patients" / "1"
    orphan.mkdir(parents=True)
    (orphan / "part-00000.parquet").write_bytes(b"half")
    data.seal(table)
    assert sorted(path.name for path in orphan.iterdir()) == ["manifest.json", "part-00000.parquet"]
    assert not list(data.datasets.glob(".sealing-*"))


def test_two_seals_at_once_are_refused(data, table):
    def record(_):
        with pytest.raises(ConflictError):
            data.seal(table, name="other")

    writer.seal(data.catalog, data.keychain, Fresh(TableSource(table)), name="p", tags={}, now=1, record=record)
    assert data.catalog.names() == ("p",)


def test_a_locked_vault_seals_nothing(data, table):
    data.keychain.lock()
    with pytest.raises(LockedError):
        data.seal(table)
    assert untouched(data)


@pytest.mark.parametrize("name", ["", "Patients", "../up", "a/b", "x" * 64, "1a", "a\n"])
def test_a_bad_name_is_refused(data, table, name):
    with pytest.raises(InvalidRequestError):
        data.seal(table, name=name)
    assert untouched(data)


def test_a_tag_for_a_column_that_is_not_there_is_refused(data, table):
    with pytest.raises(InvalidRequestError, match="`nome`"):
        data.seal(table, tags={"nome": Tag.DIRECT})


def test_files_and_folders_are_the_owners_alone(data, table):
    data.seal(table)
    for path in (data.datasets / "patients").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_files_are_encrypted_with_256_bits_per_column(data, table):
    data.seal(table)
    content = data.path().read_bytes()
    assert content[:4] == content[-4:] == b"PARE"
    for word in (b"person 1", b"ARROW:schema"):
        assert word not in content
    opened = data.open(table.column_names).parts[0]
    keys = [opened.footer_key, *opened.column_keys.values()]
    assert {len(key) for key in keys} == {32}
    assert len(set(keys)) == 4


def test_no_key_lies_in_a_file_in_clear(data, table):
    data.seal(table)
    opened = data.open(table.column_names).parts[0]
    everything = b"".join(path.read_bytes() for path in data.datasets.rglob("*") if path.is_file())
    for key in (opened.footer_key, *opened.column_keys.values(), data.keychain.dataset_key("patients")):
        assert key not in everything


def test_large_tables_become_several_parts_and_groups(data, table, monkeypatch):
    monkeypatch.setattr(parts, "GROUP_ROWS", 300)
    monkeypatch.setattr(parts, "PART_GROUPS", 4)
    data.seal(table)
    opened = data.open(table.column_names)
    assert [(part.rows, part.row_groups) for part in opened.parts] == [(1200, 4), (1200, 4), (100, 1)]
    assert read(opened).to_dict(as_series=False) == table.to_pydict()
    assert len({part.footer_key for part in opened.parts}) == 3


def test_row_groups_of_wide_rows_have_half_as_many_or_a_quarter(data, table, monkeypatch):
    monkeypatch.setattr(parts, "GROUP_ROWS", 1024)
    monkeypatch.setattr(parts, "GROUP_BYTES", 300 * table.nbytes // table.num_rows)
    data.seal(table)
    opened = data.open(table.column_names)
    assert [(part.rows, part.row_groups) for part in opened.parts] == [(2500, 10)]  # of 256 rows each
    assert read(opened).to_dict(as_series=False) == table.to_pydict()


def test_a_row_group_ends_early_where_rows_become_wide(monkeypatch):
    monkeypatch.setattr(parts, "GROUP_ROWS", 1024)
    monkeypatch.setattr(parts, "GROUP_BYTES", 1 << 16)
    rows = pa.table({"text": ["a"] * 2000 + ["a" * 5000] * 100}).to_batches(50)
    groups = list(parts.row_groups(iter(rows), rows[0].schema))
    assert groups[0].num_rows == 1024
    assert sum(group.num_rows for group in groups) == 2100
    assert max(group.nbytes for group in groups) < 2 * (1 << 16) + 51 * 5010  # at most one batch too much


def test_a_table_without_rows_can_be_sealed(data, table):
    data.seal(table.slice(0, 0))
    assert read(data.open(table.column_names)).shape == (0, 3)


def test_the_manifest_is_an_in_toto_statement_about_the_parts(data, table):
    import base64

    data.seal(table)
    envelope = json.loads(data.path("manifest.json").read_bytes())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert [subject["name"] for subject in statement["subject"]] == ["part-00000.parquet"]


def test_a_steward_with_the_datasets_key_reads_the_files_with_arrow_alone(data, table):
    from jupyter_secure.broker.sealed.data_keys import ColumnKeys, decryption

    data.seal(table)
    keys = ColumnKeys(data.keychain.dataset_key("patients"))
    assert pq.read_table(data.path(), decryption_properties=decryption(keys)).equals(table)


def test_every_kind_of_flat_column_survives(data):
    table = pa.table(
        {
            "b": pa.array([True, None]),
            "i": pa.array([1, None], pa.int8()),
            "u": pa.array([2**63, None], pa.uint64()),
            "f": pa.array([1.5, None], pa.float32()),
            "s": pa.array(["ü", None]),
            "y": pa.array([b"\0", None]),
            "d": pa.array([dt.date(1900, 1, 1), None]),
            "t": pa.array(
                [dt.datetime(2020, 1, 1, 1, 2, 3, tzinfo=dt.UTC).replace(tzinfo=None), None], pa.timestamp("us")
            ),
            "z": pa.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC), None], pa.timestamp("us", "UTC")),
            "m": pa.array([decimal.Decimal("1.23"), None], pa.decimal128(9, 2)),
            "h": pa.array([dt.time(1, 2), None], pa.time64("us")),
        }
    )
    data.seal(table)
    assert read(data.open(table.column_names)).to_dict(as_series=False) == table.to_pydict()


def test_pages_are_encoded_by_what_the_first_row_group_holds():
    rows = 1000
    group = pa.table(
        {
            "counter": pa.array(range(rows)),
            "shuffled": pa.array([number * 7919 % 100_003 for number in range(rows)]),
            "text": pa.array([f"name {number}" for number in range(rows)]),
            "repeated": pa.array(["F", "M"] * (rows // 2)),
        }
    )
    assert parts.encodings(group) == {
        "use_dictionary": ["repeated"],
        "column_encoding": {"counter": "DELTA_BINARY_PACKED"},
    }


def test_integers_that_ascend_only_at_first_come_back_the_same(data, monkeypatch):
    monkeypatch.setattr(parts, "GROUP_ROWS", 4)
    columns = {
        "signed": pa.array([-(2**63), -1, 0, 2**63 - 1, 5, None, -(2**63), 2**63 - 1, 1], pa.int64()),
        "unsigned": pa.array([0, 1, 2**63, 2**64 - 1, 3, None, 2**64 - 1, 0, 2**63], pa.uint64()),
        "narrow": pa.array([-(2**31), 0, 1, 2**31 - 1, -(2**31), 2**31 - 1, None, 0, 7], pa.int32()),
        "small": pa.array([0, 1, 2, 2**32 - 1, 0, 2**32 - 1, None, 0, 7], pa.uint32()),
    }
    table = pa.table(columns)
    data.seal(table)
    assert read(data.open(table.column_names)).to_dict(as_series=False) == table.to_pydict()
