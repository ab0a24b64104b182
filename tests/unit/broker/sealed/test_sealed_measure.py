"""The measure of private answers is chosen with the first version, signed, and never changes."""

import base64
import json

import pytest

from jupyter_secure.broker.sealed import check, manifest, writer
from jupyter_secure.broker.sealed.contents import Appended, Fresh
from jupyter_secure.broker.sealed.remainder import Remainder
from jupyter_secure.broker.sealed.rotate import rotate
from jupyter_secure.protocol.errors import ConflictError, IntegrityError
from jupyter_secure.testing.sealed_data import TableSource


def seal(data, content):
    return writer.seal(data.catalog, data.keychain, content, name="patients", tags={}, now=2)


def signed_file(data, version=1):
    return data.path(version=version).parent / manifest.FILE


def test_a_dataset_counts_in_rho_and_its_manifest_says_nothing_of_it(data, table):
    assert data.seal(table).measure == "zcdp"
    assert data.catalog.latest("patients").measure == "zcdp"
    other = data.seal(table, "others", measure="zcdp")
    assert other.measure == "zcdp"
    for name in ("patients", "others"):
        file = data.catalog.folder(name, 1) / manifest.FILE
        assert b"measure" not in base64.b64decode(json.loads(file.read_bytes())["payload"])


def test_a_measure_is_signed_and_every_version_has_it(data, table):
    assert data.seal(table, measure="pure").measure == "pure"
    assert data.recorded[-1].measure == "pure"
    assert data.seal(table).measure == "pure"
    assert data.seal(table, measure="pure").measure == "pure"
    assert seal(data, Appended(data.catalog, data.keychain, "patients", TableSource(table))).measure == "pure"
    gone = Remainder(data.catalog, data.keychain, "patients", "age", "7")
    assert seal(data, gone).measure == "pure"
    rotate(data.catalog, data.keychain, "patients")
    assert {data.catalog.version("patients", number).measure for number in range(1, 6)} == {"pure"}
    assert all(report.sound for report in check.check_all(data.catalog, data.keychain))


@pytest.mark.parametrize(("first", "other"), [("pure", "zcdp"), ("zcdp", "pure"), (None, "pure")])
def test_another_measure_seals_nothing(data, table, first, other):
    data.seal(table, measure=first)
    with pytest.raises(ConflictError, match="which all its versions have"):
        seal(data, Fresh(TableSource(table), other))
    assert data.catalog.versions("patients") == (1,)
    assert [it.name for it in data.datasets.iterdir() if it.is_dir()] == ["patients"]


def test_a_measure_that_was_taken_out_of_a_manifest_is_noticed(data, table):
    data.seal(table, measure="pure")
    file = signed_file(data)
    envelope = json.loads(file.read_bytes())
    payload = base64.b64decode(envelope["payload"])
    assert b'"measure":"pure",' in payload
    envelope["payload"] = base64.b64encode(payload.replace(b'"measure":"pure",', b"")).decode()
    file.write_text(json.dumps(envelope))
    with pytest.raises(IntegrityError):
        data.catalog.latest("patients")
