"""Whoever kept files from before a person was deleted reads nothing of them with what the vault has."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_secure.broker.deletion import delete_person
from jupyter_secure.broker.keeping import rotate_keys
from jupyter_secure.broker.sealed import data_keys
from jupyter_secure.broker.sealed.data_keys import ColumnKeys, Place, decryption
from jupyter_secure.broker.sealed.reader import data_keys_of
from jupyter_secure.protocol.errors import IntegrityError, RefusedError
from jupyter_secure.testing.world import World


def test_files_from_before_a_deletion_that_are_put_back_open_nothing(tmp_path):
    with World(tmp_path) as world:
        world.seal(pa.table({"name": ["Ermintrude", "Bob"]}))
        rotate_keys(world.vault, "patients")
        [path] = world.path.rglob("part-*.parquet")
        content = path.read_bytes()
        delete_person(world.vault, "patients", "name", "Ermintrude")
        path.write_bytes(content)
        catalog, keychain = world.vault.catalog, world.vault.keychain
        signed = catalog.signed("patients", 1)
        with pytest.raises(RefusedError):
            data_keys_of(catalog, keychain, signed, ("name",))
        for generation in (1, 2):
            with pytest.raises(IntegrityError):
                keychain.dataset_key("patients", generation)
        # The one key there is opens neither what the manifest wrapped nor what the file did.
        key = keychain.dataset_key("patients", 3)
        [part] = signed.manifest.parts
        with pytest.raises(IntegrityError):
            data_keys.unwrap(key, part.footer_key, Place(dataset="patients", version=1, part=part.file, column=None))
        with pytest.raises(IntegrityError):
            pq.ParquetFile(path, decryption_properties=decryption(ColumnKeys(key)))
        world.verify()
