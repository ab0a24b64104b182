"""A rotated dataset reads as before, and nothing that an old key wrapped opens any more."""

import pytest
from msgspec import structs
from sqlalchemy import select, update

from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.keys.signing import Signer
from jupyter_secure.broker.sealed import check, key_sheets
from jupyter_secure.broker.sealed.key_sheets import KeySheet
from jupyter_secure.broker.sealed.rotate import rotate
from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.tables.keys import KEYS
from jupyter_secure.broker.store.tables.sealed import KEY_SHEETS
from jupyter_secure.protocol.errors import ConflictError, IntegrityError, LockedError, RefusedError
from jupyter_secure.testing.sealed_data import read


def contents(data):
    return {path: path.read_bytes() for path in data.datasets.rglob("*") if path.is_file()}


def stored(data):
    with data.engine.connect() as connection:
        return connection.execute(select(KEYS.c.wrapped).where(KEYS.c.name == "patients")).scalar()


def test_every_version_reads_as_before_and_no_file_has_changed(data, table):
    data.seal(table)
    data.seal(table.slice(0, 7))
    data.seal(table, name="visits")
    before, old = contents(data), data.keychain.dataset_key("patients")
    assert rotate(data.catalog, data.keychain, "patients")[0] == 2
    assert contents(data) == before
    assert data.keychain.dataset_key("patients", 2) != old
    assert [read(data.open(table.column_names, version=it)).height for it in (1, 2)] == [2500, 7]
    data.seal(table.slice(0, 3))  # under the new key, without a sheet
    assert rotate(data.catalog, data.keychain, "patients")[0] == 3
    assert [read(data.open(["age"], version=it)).height for it in (1, 2, 3)] == [2500, 7, 3]
    assert all(report.sound for report in check.check_all(data.catalog, data.keychain))
    data.keychain.lock()
    assert all(report.sound for report in check.check_all(data.catalog, data.keychain))


def test_the_old_key_is_in_no_row_and_no_file_and_opens_nothing(data, table, tmp_path):
    data.seal(table)
    old = stored(data)
    rotate(data.catalog, data.keychain, "patients")
    with pytest.raises(IntegrityError):
        data.keychain.dataset_key("patients", 1)
    if data.engine.dialect.name == "sqlite":
        data.engine.dispose()
        assert old not in b"".join(path.read_bytes() for path in tmp_path.rglob("store.sqlite*"))
    with database.transaction(data.engine) as connection:  # somebody who kept it puts it back
        connection.execute(update(KEYS).where(KEYS.c.name == "patients").values(wrapped=old))
    data.keychain.lock()
    data.keychain.attach(data.provider)
    with pytest.raises(IntegrityError):
        data.open(["age"])


def sheet_of(data, generation=2):
    with data.engine.connect() as connection:
        query = select(KEY_SHEETS.c.envelope).where(KEY_SHEETS.c.version == 1, KEY_SHEETS.c.generation == generation)
        return connection.execute(query).scalar()


def test_a_sheet_of_another_generation_version_or_signature_is_refused(data, table):
    data.seal(table)
    data.seal(table)
    rotate(data.catalog, data.keychain, "patients")
    older = sheet_of(data)
    rotate(data.catalog, data.keychain, "patients")
    newer = sheet_of(data, 3)
    signed = data.catalog.signed("patients", 1)
    sheet = KeySheet(
        vault=signed.manifest.vault,
        dataset="patients",
        version=1,
        manifest=signed.digest,
        generation=3,
        parts=data.catalog.sheets.keys(signed)[1],
    )
    signer = data.keychain.signer(Purpose.MANIFEST)
    assert key_sheets.sign(sheet, signer) == newer
    forged = [
        older,
        newer[:-1],
        newer.replace(b"a", b"b", 1),
        key_sheets.sign(sheet, Signer(bytes(32))),
        key_sheets.sign(structs.replace(sheet, version=2), signer),
        key_sheets.sign(structs.replace(sheet, manifest="0" * 64), signer),
        key_sheets.sign(structs.replace(sheet, parts=()), signer),
    ]
    for envelope in forged:
        with database.transaction(data.engine) as connection:
            mine = (KEY_SHEETS.c.version == 1, KEY_SHEETS.c.generation == 3)
            connection.execute(update(KEY_SHEETS).where(*mine).values(envelope=envelope))
        with pytest.raises(IntegrityError):
            data.open(["age"], version=1)
        data.keychain.lock()
        assert [it.sound for it in check.check_all(data.catalog, data.keychain)] == [False, True]
        data.keychain.attach(data.provider)


def test_a_reader_between_sheet_and_key_of_a_rotation_reads_on(data, table, monkeypatch):
    data.seal(table)
    keychain, asked = data.keychain, []
    key = keychain.dataset_key

    def late(name, generation=1):
        if not asked:
            asked.append(generation)
            monkeypatch.setattr(keychain, "dataset_key", key)
            rotate(data.catalog, keychain, name)
        return key(name, generation)

    monkeypatch.setattr(keychain, "dataset_key", late)
    assert read(data.open(["age"])).height == 2500
    assert asked == [1]


def test_what_cannot_be_rotated_is_not(data, table):
    with pytest.raises(RefusedError):
        rotate(data.catalog, data.keychain, "patients")
    data.seal(table)
    data.keychain.lock()
    with pytest.raises(LockedError):
        rotate(data.catalog, data.keychain, "patients")
    data.keychain.attach(data.provider)
    data.path("manifest.json").write_bytes(b"damaged")
    with pytest.raises(IntegrityError):
        rotate(data.catalog, data.keychain, "patients")
    assert data.catalog.sheets.generation("patients") == 1


def test_a_dataset_destroyed_meanwhile_gets_no_new_key(data, table, monkeypatch):
    data.seal(table)
    replace = data.keychain.replace_dataset

    def too_late(connection, name, wrapped):
        connection.execute(update(KEYS).where(KEYS.c.name == name).values(wrapped=None, destroyed=9))
        replace(connection, name, wrapped)

    monkeypatch.setattr(data.keychain, "replace_dataset", too_late)
    with pytest.raises(ConflictError):
        rotate(data.catalog, data.keychain, "patients")
    assert data.catalog.sheets.generation("patients") == 1
