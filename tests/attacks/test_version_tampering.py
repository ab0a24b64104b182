"""Nothing in the folder of a dataset with several versions can be changed without being found, file by file.

The dataset has two parts, two more that were added, and a rotated key; the first two parts are shared by both versions.
Each attack is tried on every file of the newest version: nothing is served, and a locked vault names the file.
"""

import contextlib
import os
import random

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from jupyter_secure.broker.sealed import check, parts, writer
from jupyter_secure.broker.sealed.contents import Appended
from jupyter_secure.broker.sealed.data_keys import PartCipher
from jupyter_secure.broker.sealed.remainder import Remainder
from jupyter_secure.broker.sealed.rotate import rotate
from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.testing.sealed_data import SealedData, TableSource, read

DETECTED = (IntegrityError, pl.exceptions.PolarsError, OSError)
FILES = [f"part-0000{number}.parquet" for number in range(4)]
OTHER = dict(zip(FILES, FILES[1:] + FILES[:1], strict=True))


def table(first):
    return pa.table(
        {"name": [f"person {n}" for n in range(first, first + 400)], "age": list(range(first, first + 400))}
    )


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "GROUP_ROWS", 100)
    monkeypatch.setattr(parts, "PART_GROUPS", 2)
    data = SealedData(tmp_path)
    data.seal(table(0))
    add(data)
    rotate(data.catalog, data.keychain, "patients")
    yield data
    data.close()


def add(data):
    content = Appended(data.catalog, data.keychain, "patients", TableSource(table(400)))
    writer.seal(data.catalog, data.keychain, content, name="patients", tags={}, now=2)


def replace(path, content):
    """Put another file in the place of one, so that other versions keep theirs."""
    path.unlink()
    path.write_bytes(content)


def flip(data, path):
    content = bytearray(path.read_bytes())
    content[random.Random(path.name).randrange(4, len(content))] ^= 1
    replace(path, content)


def truncate(data, path):
    replace(path, path.read_bytes()[:-100])


def lengthen(data, path):
    replace(path, path.read_bytes() + b"PARE")


def splice(data, path):
    content, other = path.read_bytes(), path.with_name(OTHER[path.name]).read_bytes()
    half = len(content) // 2
    replace(path, content[:half] + other[half:])


def swap(data, path):
    content = bytearray(path.read_bytes())
    content[100:200], content[300:400] = content[300:400], content[100:200]
    replace(path, content)


def exchange(data, path):
    other = path.with_name(OTHER[path.name])
    mine, theirs = path.read_bytes(), other.read_bytes()
    replace(path, theirs)
    replace(other, mine)


def delete(data, path):
    path.unlink()


def roll_back(data, path):
    older = data.path(version=1)
    replace(path, older.read_bytes() if path.name != older.name else data.path(FILES[1], version=1).read_bytes())


def plain(data, path):
    path.unlink()
    pq.write_table(table(0).slice(0, 200), path)


def counter_mode(data, path):
    cipher = PartCipher(data.keychain.dataset_key("patients", 2), "patients", 2, ("name", "age"))
    weaker = pe.EncryptionConfiguration(
        cipher.footer_id,
        column_keys={name: [column] for column, name in cipher.column_ids.items()},
        encryption_algorithm="AES_GCM_CTR_V1",
        double_wrapping=False,
        data_key_length_bits=256,
    )
    path.unlink()
    properties = cipher._factory.file_encryption_properties(cipher._connection, weaker)
    pq.write_table(table(0).slice(0, 200), path, encryption_properties=properties)


def link(data, path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


ATTACKS = [
    flip, truncate, lengthen, splice, swap, exchange, delete, roll_back, plain, counter_mode, link,
]  # fmt: skip


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_on_any_part_is_found_and_named_and_nothing_is_served(data, attack, file):
    path = data.path(file, version=2)
    attack(data, path)
    with pytest.raises(DETECTED):
        read(data.open(["name", "age"]))
    data.keychain.lock()
    first, second = check.check_all(data.catalog, data.keychain)
    data.keychain.attach(data.provider)
    assert first.sound
    assert file in {finding.part for finding in second.findings}
    # It is not read to delete somebody either, and whatever is added to it stays as damaged as it is.
    for column, nobody in (("name", "nobody"), ("age", "-1")):
        with pytest.raises(IntegrityError):
            Remainder(data.catalog, data.keychain, "patients", column, nobody).held_by(2)
    with contextlib.suppress(IntegrityError):
        add(data)
        assert file in {it.part for it in check.check(data.catalog, data.keychain, "patients", 3).findings}


def test_damage_to_a_shared_part_is_found_in_every_version_that_has_it(data):
    path = data.path(version=1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    data.keychain.lock()
    reports = check.check_all(data.catalog, data.keychain)
    assert [[finding.part for finding in report.findings] for report in reports] == [[FILES[0]], [FILES[0]]]


def test_the_manifest_of_the_version_before_and_its_parts_do_not_pass_for_the_newest(data):
    for path in data.path(version=2).parent.iterdir():
        path.unlink()
    for path in data.path(version=1).parent.iterdir():
        os.link(path, data.path(path.name, version=2))
    with pytest.raises(IntegrityError):
        data.open(["age"])
