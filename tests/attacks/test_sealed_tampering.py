"""Whoever can write to the vault's folder cannot change what is read from it without being noticed.

Each test changes the files of a sealed dataset as its name says. Opening, or at the latest reading, must fail, and so
must verification with the vault locked.
"""

import os
import random
import shutil

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from jupyter_secure.broker.sealed import check, parts
from jupyter_secure.broker.sealed.data_keys import PartCipher
from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.testing.sealed_data import SealedData, read

DETECTED = (IntegrityError, pl.exceptions.PolarsError, OSError)


@pytest.fixture
def table():
    return pa.table({"name": [f"person {n}" for n in range(400)], "age": list(range(400))})


@pytest.fixture
def data(tmp_path, table, monkeypatch):
    monkeypatch.setattr(parts, "GROUP_ROWS", 100)
    monkeypatch.setattr(parts, "PART_GROUPS", 2)
    data = SealedData(tmp_path)
    data.seal(table)
    yield data
    data.close()


def refused_at_once(data, **which):
    with pytest.raises(IntegrityError):
        data.open(["name", "age"], **which)
    return found_when_locked(data)


def found_when_locked(data):
    data.keychain.lock()
    reports = check.check_all(data.catalog, data.keychain)
    data.keychain.attach(data.provider)
    assert not all(report.sound for report in reports)
    return reports


def test_an_untouched_dataset_is_sound_locked_and_unlocked(data):
    [unlocked] = check.check_all(data.catalog, data.keychain)
    data.keychain.lock()
    [locked] = check.check_all(data.catalog, data.keychain)
    assert (unlocked.sound, unlocked.decrypted, locked.sound, locked.decrypted) == (True, True, True, False)


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_is_detected_at_the_latest_when_it_is_read(data, seed):
    path = data.path()
    content = bytearray(path.read_bytes())
    position = random.Random(seed).randrange(len(content) * 8)
    content[position // 8] ^= 1 << position % 8
    path.write_bytes(content)
    with pytest.raises(DETECTED):
        read(data.open(["name", "age"]))
    found_when_locked(data)


@pytest.mark.parametrize("cut", [1, 8, 100, 5000])
def test_a_truncated_part_is_refused(data, cut):
    content = data.path().read_bytes()
    data.path().write_bytes(content[:-cut])
    refused_at_once(data)


def test_an_empty_part_is_refused(data):
    data.path().write_bytes(b"")
    refused_at_once(data)


def test_a_part_with_something_appended_is_refused(data):
    with data.path().open("ab") as part:
        part.write(b"\0" * 64)
    refused_at_once(data)


def test_a_missing_part_is_refused(data):
    data.path("part-00001.parquet").unlink()
    refused_at_once(data)


def test_two_parts_of_one_version_cannot_be_exchanged(data):
    first, second, spare = data.path(), data.path("part-00001.parquet"), data.path("spare")
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    refused_at_once(data)


def test_a_part_repeated_in_place_of_another_is_refused(data):
    shutil.copy(data.path(), data.path("part-00001.parquet"))
    refused_at_once(data)


def test_a_part_of_another_version_is_refused(data, table):
    data.seal(table)
    shutil.copy(data.path(version=1), data.path(version=2))
    refused_at_once(data)


def test_a_part_of_another_dataset_is_refused(data, table):
    data.seal(table, name="visits")
    shutil.copy(data.path(name="visits"), data.path())
    refused_at_once(data)


def test_a_plain_parquet_file_in_place_of_a_part_is_refused(data, table):
    pq.write_table(table.slice(0, 200), data.path())
    refused_at_once(data)


def test_a_plain_file_of_the_very_same_size_is_refused(data, table):
    size = data.path().stat().st_size
    pq.write_table(table.slice(0, 10), data.path())
    content = data.path().read_bytes()
    data.path().write_bytes(
        b"PAR1" * ((size - len(content)) // 4 + 1) + content[-(size - 4 * ((size - len(content)) // 4 + 1)) :]
    )
    assert data.path().stat().st_size == size
    refused_at_once(data)


@pytest.mark.parametrize(
    "weaker", [{"encryption_algorithm": "AES_GCM_CTR_V1"}, {"plaintext_footer": True}, {"data_key_length_bits": 128}]
)
def test_a_part_under_the_right_key_but_weaker_encryption_is_refused(data, table, weaker):
    cipher = PartCipher(data.keychain.dataset_key("patients"), "patients", 1, ("name", "age"))
    settings = {
        "footer_key": cipher.footer_id,
        "column_keys": {name: [column] for column, name in cipher.column_ids.items()},
        "double_wrapping": False,
        "data_key_length_bits": 256,
    } | weaker
    properties = cipher._factory.file_encryption_properties(cipher._connection, pe.EncryptionConfiguration(**settings))
    pq.write_table(table.slice(0, 200), data.path(), encryption_properties=properties)
    refused_at_once(data)


def test_an_older_version_in_place_of_the_newest_is_refused(data, table):
    data.seal(table.slice(0, 10))
    shutil.rmtree(data.path(version=2).parent)
    shutil.copytree(data.path(version=1).parent, data.path(version=2).parent)
    refused_at_once(data)


def test_removing_the_newest_version_does_not_bring_the_older_one_back(data, table):
    data.seal(table.slice(0, 10))
    shutil.rmtree(data.path(version=2).parent)
    refused_at_once(data)


def test_the_older_manifest_of_the_same_number_is_refused(data, table):
    """A restored backup of the folder: signed by the right key, for the right version, but not what is remembered."""
    old = data.path("manifest.json").read_bytes()
    from sqlalchemy import delete

    from jupyter_secure.broker.store.tables.sealed import SEALED_VERSIONS

    with data.engine.begin() as connection:
        connection.execute(delete(SEALED_VERSIONS))
    data.seal(table.slice(0, 10))
    data.path("manifest.json").write_bytes(old)
    refused_at_once(data)


def test_an_edited_manifest_is_refused(data):
    import base64
    import json

    envelope = json.loads(data.path("manifest.json").read_bytes())
    payload = base64.b64decode(envelope["payload"]).replace(b'"tag":null', b'"tag":"public"')
    envelope["payload"] = base64.b64encode(payload).decode()
    data.path("manifest.json").write_bytes(json.dumps(envelope).encode())
    refused_at_once(data)


def test_a_manifest_signed_by_somebody_else_is_refused(data, tmp_path, table):
    (tmp_path / "other").mkdir()
    other = SealedData(tmp_path / "other")
    other.seal(table)
    shutil.copy(other.path("manifest.json"), data.path("manifest.json"))
    other.close()
    refused_at_once(data)


def test_another_datasets_whole_folder_is_refused(data, table):
    data.seal(table, name="visits")
    shutil.rmtree(data.path().parent)
    shutil.copytree(data.path(name="visits").parent, data.path().parent)
    refused_at_once(data)


def test_a_missing_manifest_is_refused(data):
    data.path("manifest.json").unlink()
    refused_at_once(data)


def test_an_exchange_while_the_broker_runs_is_refused(data, table):
    """The catalog has verified the manifest before; it must not go by what it has seen."""
    catalog = data.catalog
    catalog.latest("patients")
    data.seal(table, name="visits")
    shutil.copy(data.path("manifest.json", name="visits"), data.path("manifest.json"))
    with pytest.raises(IntegrityError):
        catalog.latest("patients")


@pytest.mark.parametrize("file", ["part-00000.parquet", "manifest.json"])
def test_a_symbolic_link_in_place_of_a_file_is_refused(data, file, tmp_path):
    path = data.path(file)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    refused_at_once(data)


def test_a_symbolic_link_in_place_of_a_versions_folder_is_refused(data, tmp_path):
    folder = data.path().parent
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError):
        data.open(["age"])


def test_a_named_pipe_in_place_of_a_part_is_refused_without_waiting(data):
    data.path().unlink()
    os.mkfifo(data.path())
    refused_at_once(data)


def test_a_stranger_in_the_folder_is_reported_and_never_read(data, table):
    pq.write_table(table, data.path("part-00009.parquet"))
    assert read(data.open(["age"])).height == 400
    [report] = found_when_locked(data)
    assert [finding.part for finding in report.findings] == ["part-00009.parquet"]


def test_a_reader_with_one_columns_key_cannot_open_another(data):
    part = data.open(["age"]).parts[0]
    keys = pl.ParquetDecryptionProperties(footer_key=part.footer_key, column_keys={"name": part.column_keys["age"]})
    with pytest.raises((pl.exceptions.PolarsError, OSError)):
        pl.read_parquet(part.path, columns=["name"], decryption=keys)


def test_a_wrapped_key_moved_to_another_column_does_not_open(data):
    """Even a manifest signed by the right key cannot make one column's key serve as another's."""
    from jupyter_secure.broker.sealed import data_keys
    from jupyter_secure.broker.sealed.data_keys import Place

    part = data.catalog.signed("patients").manifest.parts[0]
    kek = data.keychain.dataset_key("patients")
    place = {"dataset": "patients", "version": 1, "part": part.file, "column": "age"}
    assert len(data_keys.unwrap(kek, part.column_keys["age"], Place(**place))) == 32
    for other in (
        {"column": "name"},
        {"column": None},
        {"version": 2},
        {"part": "part-00001.parquet"},
        {"dataset": "x"},
    ):
        with pytest.raises(IntegrityError):
            data_keys.unwrap(kek, part.column_keys["age"], Place(**place | other))
