"""A key sheet and a certificate made by an earlier state of this project are still read: the formats do not drift."""

import json
from pathlib import Path

import polars as pl
import pytest

from jupyter_secure.broker.keys.signing import Verifier
from jupyter_secure.broker.sealed import data_keys
from jupyter_secure.broker.sealed.certificate import concerns, open_certificate
from jupyter_secure.broker.sealed.data_keys import Place
from jupyter_secure.broker.sealed.key_sheets import KeySheets
from jupyter_secure.broker.sealed.manifest import open_signed
from jupyter_secure.broker.store import database
from jupyter_secure.protocol.errors import IntegrityError

FOLDER = Path(__file__).parents[3] / "vectors" / "sealed"
FIRST = json.loads((FOLDER / "expect.json").read_text())
VECTOR = json.loads((FOLDER / "rotated.json").read_text())
VERIFIER = Verifier(bytes.fromhex(VECTOR["signer"]))


def test_the_keys_of_the_sheet_open_the_part_in_polars():
    signed = open_signed((FOLDER / "manifest.json").read_bytes(), Verifier(bytes.fromhex(FIRST["manifest_key"])))
    engine = database.open_database("sqlite://")
    database.create(engine)
    sheets = KeySheets(engine, VERIFIER)
    with database.transaction(engine, database.Family.SEALED) as connection:
        sheets.remember(connection, "patients", 1, 2, (FOLDER / "key-sheet.json").read_bytes())
    generation, [keys] = sheets.keys(signed)
    engine.dispose()
    [part] = signed.manifest.parts

    def key(wrapped, column):
        place = Place(dataset="patients", version=1, part=part.file, column=column)
        return data_keys.unwrap(bytes.fromhex(VECTOR["dataset_key"]), wrapped, place)

    properties = pl.ParquetDecryptionProperties(
        footer_key=key(keys.footer_key, None),
        column_keys={column: key(wrapped, column) for column, wrapped in keys.column_keys.items()},
    )
    assert generation == VECTOR["generation"]
    frame = pl.read_parquet(FOLDER / part.file, decryption=properties)
    assert frame.to_dict(as_series=False) == FIRST["expect"]["rows"]


def test_the_certificate_is_read_and_its_commitment_is_the_same():
    expect = VECTOR["certificate"]
    found = open_certificate((FOLDER / "certificate.json").read_bytes(), VERIFIER)
    assert (found.kept.version, [it.version for it in found.erased]) == (expect["kept"], expect["erased"])
    assert found.commitment == expect["commitment"]
    assert concerns(found, expect["value"], expect["receipt"])
    assert not concerns(found, "Bo", expect["receipt"])
    with pytest.raises(IntegrityError):
        open_certificate((FOLDER / "key-sheet.json").read_bytes(), VERIFIER)
