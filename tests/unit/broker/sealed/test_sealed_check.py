"""Verification names the part that is wrong, and goes on with the rest."""

import pytest

from jupyter_secure.broker.sealed import check
from jupyter_secure.broker.sealed.data_keys import Place, wrap
from jupyter_secure.broker.sealed.manifest import sign
from jupyter_secure.broker.store import database
from jupyter_secure.protocol.errors import RefusedError


def test_every_version_of_every_dataset_is_checked(data, table):
    data.seal(table)
    data.seal(table.slice(0, 5))
    data.seal(table, name="visits")
    reports = check.check_all(data.catalog, data.keychain)
    assert [(it.dataset, it.version, it.sound, it.decrypted) for it in reports] == [
        ("patients", 1, True, True),
        ("patients", 2, True, True),
        ("visits", 1, True, True),
    ]


def test_a_damaged_dataset_does_not_hide_a_sound_one(data, table):
    data.seal(table)
    data.seal(table, name="visits")
    data.path().write_bytes(b"gone")
    damaged, sound = check.check_all(data.catalog, data.keychain)
    assert (damaged.sound, sound.sound) == (False, True)
    assert damaged.findings[0].part == "part-00000.parquet"


def test_a_damaged_older_version_makes_its_child_unsound_only_by_its_manifest(data, table):
    data.seal(table)
    data.seal(table)
    data.path("manifest.json", version=1).unlink()
    first, second = check.check_all(data.catalog, data.keychain, "patients")
    assert (first.sound, second.sound) == (False, False)


def test_one_name_checks_one_dataset(data, table):
    data.seal(table)
    data.seal(table, name="visits")
    assert [it.dataset for it in check.check_all(data.catalog, data.keychain, "visits")] == ["visits"]


def test_a_version_that_was_never_sealed_is_refused(data):
    with pytest.raises(RefusedError):
        check.check(data.catalog, data.keychain, "patients", 1)


def test_a_manifest_whose_keys_do_not_fit_its_files_is_found_when_unlocked(data, table):
    """Such a manifest needs the signing key, so it is a fault of ours and no attack; it is found all the same."""
    from msgspec import structs
    from sqlalchemy import update

    from jupyter_secure.broker.keys.keychain import Purpose
    from jupyter_secure.broker.store.tables.sealed import SEALED_VERSIONS

    data.seal(table)
    signed = data.catalog.signed("patients")
    [part] = signed.manifest.parts
    place = Place(dataset="patients", version=1, part=part.file, column="age")
    keys = part.column_keys | {"age": wrap(data.keychain.dataset_key("patients"), bytes(32), place)}
    changed = structs.replace(signed.manifest, parts=(structs.replace(part, column_keys=keys),))
    envelope, renamed = sign(changed, data.keychain.signer(Purpose.MANIFEST))
    data.path("manifest.json").write_bytes(envelope)
    with database.transaction(data.engine) as connection:
        connection.execute(update(SEALED_VERSIONS).values(digest=renamed.digest))
    [report] = check.check_all(data.catalog, data.keychain)
    assert "key" in report.findings[0].sentence
