"""Opening: keys of the asked columns and of no others."""

import polars as pl
import pytest

from jupyter_secure.broker import plaintext
from jupyter_secure.broker.sealed import reader
from jupyter_secure.protocol.errors import LockedError, RefusedError
from jupyter_secure.testing.sealed_data import read


def test_only_the_asked_columns_keys_are_handed_out(data, table):
    data.seal(table)
    opened = data.open(["cost", "age"])
    assert set(opened.parts[0].column_keys) == {"age", "cost"}
    assert read(opened).columns == ["cost", "age"]


def test_a_column_without_its_key_cannot_be_read(data, table):
    data.seal(table)
    opened = data.open(["age"])
    assert read(opened)["age"].to_list() == table["age"].to_pylist()
    with pytest.raises((pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException)):
        read(opened, ["name"])


def test_a_filter_on_one_column_and_the_choice_of_another_work_on_encrypted_groups(data, table):
    data.seal(table)
    part = data.open(["age", "cost"]).parts[0]
    keys = pl.ParquetDecryptionProperties(footer_key=part.footer_key, column_keys=part.column_keys)
    found = pl.scan_parquet(part.path, decryption=keys).filter(pl.col("age") >= 2490).select("cost").collect()
    assert found.height == 10


def test_opening_demands_access(data, table):
    data.seal(table)
    for lookalike in (None, True, object(), plaintext.Access()):
        with pytest.raises(TypeError):
            reader.open_version(data.catalog, data.keychain, "patients", columns=["age"], access=lookalike)


def test_unknown_datasets_versions_and_columns_look_the_same(data, table):
    data.seal(table)
    sentences = set()
    for attempt in (
        lambda: data.open(["age"], name="nothing"),
        lambda: data.open(["age"], version=7),
        lambda: data.open(["age", "salary"]),
    ):
        with pytest.raises(RefusedError) as caught:
            attempt()
        sentences.add(caught.value.public)
    assert len(sentences) == 1


def test_a_locked_vault_opens_nothing(data, table):
    data.seal(table)
    data.keychain.lock()
    with pytest.raises(LockedError):
        data.open(["age"])


def test_keys_do_not_show_in_a_representation(data, table):
    data.seal(table)
    opened = data.open(["age"])
    part = opened.parts[0]
    assert repr(part.footer_key) not in repr(opened)
    assert repr(part.column_keys["age"]) not in repr(opened)


def test_a_shredded_dataset_cannot_be_opened(data, table):
    data.seal(table)
    data.keychain.destroy_dataset("patients", 2)
    with pytest.raises(RefusedError):
        data.open(["age"])
