"""A disk that fills up at any moment of a change to sealed data leaves what was there before, and a sentence."""

import subprocess
import sys

import pyarrow as pa
import pytest
from sqlalchemy import event

from jupyter_secure.broker.sealed import check
from jupyter_secure.broker.sealed.rotate import rotate
from jupyter_secure.protocol.errors import UnavailableError
from jupyter_secure.testing.sealed_data import PASSPHRASE, SealedData, read
from jupyter_secure.testing.world import World

PEOPLE = 3000
CHANGES = f"""
import resource, sys
import pyarrow as pa
import jupyter_secure.testing.unsafe_keys
from jupyter_secure.broker.deletion import delete_person
from jupyter_secure.broker.keeping import append
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.errors import InputFileError
from jupyter_secure.testing.sealed_data import TableSource
vault = Vault.open_locked(sys.argv[1])
vault.unlock({PASSPHRASE!r})
more = TableSource(pa.table({{"name": [f"new {{n}}" * 20 for n in range({PEOPLE})]}}))
changes = (
    lambda: vault.seal(more, "patients", {{}}),
    lambda: append(vault, more, "patients", {{}}),
    lambda: delete_person(vault, "patients", "name", "person 7"),
)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000_000))  # of every file that is written from now on
vault.audit.append = lambda *_, **__: 1  # the log would be the first to refuse
for change in changes:
    try:
        change()
    except InputFileError as error:
        print(error.public)
"""


def test_a_disk_that_is_full_while_parts_are_written_leaves_the_versions_as_they_were(tmp_path):
    with World(tmp_path) as world:
        world.seal(pa.table({"name": [f"person {number}" for number in range(PEOPLE)]}))
        words = [sys.executable, "-c", CHANGES, str(world.path)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
        said = done.stdout.splitlines()
        assert len(said) == 3
        assert all("disk full" in line and "Nothing was sealed" in line for line in said)
        assert world.vault.catalog.versions("patients") == (1,)
        assert sorted(path.name for path in world.vault.folder.datasets.iterdir()) == [".lock", "patients"]
        [report] = check.check_all(world.vault.catalog, world.vault.keychain)
        assert (report.sound, report.rows) == (True, PEOPLE)
        world.verify()


def test_a_store_that_cannot_grow_keeps_the_old_key(tmp_path):
    data = SealedData(tmp_path)
    table = pa.table({f"column {number}": [number] for number in range(200)})
    data.seal(table)
    with data.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    data.engine.dispose()
    event.listen(data.engine, "connect", lambda dbapi, _: dbapi.execute(f"PRAGMA max_page_count={pages}"))
    with pytest.raises(UnavailableError, match="disk full"):
        rotate(data.catalog, data.keychain, "patients")
    assert data.catalog.sheets.generation("patients") == 1
    assert read(data.open(table.column_names)).to_arrow().equals(table)
    data.close()
