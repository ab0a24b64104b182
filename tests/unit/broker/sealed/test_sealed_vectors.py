"""Files sealed by an earlier state of this project are still read: the format does not drift."""

import json
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from jupyter_secure.broker.keys.signing import Verifier
from jupyter_secure.broker.sealed import data_keys
from jupyter_secure.broker.sealed.data_keys import ColumnKeys, Place, decryption
from jupyter_secure.broker.sealed.footer import check_pin
from jupyter_secure.broker.sealed.manifest import open_signed

FOLDER = Path(__file__).parents[3] / "vectors" / "sealed"
VECTOR = json.loads((FOLDER / "expect.json").read_text())
KEK = bytes.fromhex(VECTOR["dataset_key"])


@pytest.fixture
def signed():
    return open_signed((FOLDER / "manifest.json").read_bytes(), Verifier(bytes.fromhex(VECTOR["manifest_key"])))


def test_the_manifest_is_read_and_named_as_it_was(signed):
    assert signed.digest == VECTOR["expect"]["digest"]
    assert signed.manifest.vault == VECTOR["vault"]
    assert {column.name: column.tag for column in signed.manifest.columns} == VECTOR["expect"]["tags"]


def test_the_part_is_the_one_that_was_pinned(signed):
    [part] = signed.manifest.parts
    check_pin(FOLDER / part.file, part.size, part.footer_sha256)


def test_the_keys_in_the_manifest_open_the_part_in_polars(signed):
    [part] = signed.manifest.parts

    def key(wrapped, column):
        return data_keys.unwrap(KEK, wrapped, Place(dataset="patients", version=1, part=part.file, column=column))

    keys = pl.ParquetDecryptionProperties(
        footer_key=key(part.footer_key, None),
        column_keys={column: key(wrapped, column) for column, wrapped in part.column_keys.items()},
    )
    frame = pl.read_parquet(FOLDER / part.file, decryption=keys)
    assert frame.to_dict(as_series=False) == VECTOR["expect"]["rows"]


def test_the_datasets_key_alone_opens_the_part_in_arrow(signed):
    [part] = signed.manifest.parts
    table = pq.read_table(FOLDER / part.file, decryption_properties=decryption(ColumnKeys(KEK)))
    assert table.to_pydict() == VECTOR["expect"]["rows"]
