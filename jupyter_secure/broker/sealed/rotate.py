"""Rotation: a fresh key for a dataset, its data keys wrapped anew, its files untouched.

Steps of `rotate`: (1) take the lock that sealing takes; (2) unwrap the data keys of every version with the old key and
wrap them with the new one, in memory; (3) in one transaction put the new key in the old one's place and remember the
signed sheets. A failure before its end changes nothing; after it the old key is nowhere. Whoever reads meanwhile reads
on: data keys stay the same.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.exc import SQLAlchemyError

from jupyter_secure.broker.keys.keychain import Keychain, Purpose
from jupyter_secure.broker.store.database import Family, scrub, transaction
from jupyter_secure.protocol.errors import UnavailableError

from . import data_keys
from .catalog import Catalog
from .data_keys import Place
from .key_sheets import KeySheet, PartKeys, sign
from .manifest import Signed
from .writer import alone

_UNWRITABLE = "The new key could not be written to the store (is the disk full?). Nothing was changed."


def rotate(catalog: Catalog, keychain: Keychain, name: str, *, without: Collection[int] = ()) -> tuple[int, bool]:
    """Give a dataset a new key, and return its generation, and whether the old one is overwritten in the store.

    The versions in `without` get no sheet: they are erased. A reader in another process can put off the overwriting
    until the next rotation.

    Raises:
        RefusedError: there is no such dataset.
        IntegrityError: a version's manifest or data keys are not what was sealed; nothing was changed.
        ConflictError: somebody is sealing, or the dataset was destroyed meanwhile.
        LockedError: the vault is locked.
        UnavailableError: the store cannot be written.
    """
    catalog.signed(name)  # refuses what there is not, and what is damaged, before anything is made
    # (1) One at a time, so that no version is sealed under the key that goes.
    with alone(catalog.datasets):
        generation = catalog.sheets.generation(name) + 1
        kept = set(catalog.readable(name)) - set(without)
        new, wrapped = keychain.fresh_dataset_key(name, generation)
        # (2) Everything that can fail.
        sheets = {version: _sheet(catalog, keychain, name, version, new) for version in sorted(kept)}
        # (3) From here on the new key counts, or nothing happened.
        versions = catalog.versions(name)
        try:
            with transaction(catalog.engine, Family.SEALED) as connection:
                keychain.replace_dataset(connection, name, wrapped)
                for version in versions:
                    catalog.sheets.remember(connection, name, version, generation, sheets.get(version))
        except SQLAlchemyError as error:
            raise UnavailableError(_UNWRITABLE, detail=type(error).__name__) from None
    return generation, scrub(catalog.engine)


def _sheet(catalog: Catalog, keychain: Keychain, name: str, version: int, new: bytes) -> bytes:
    signed = catalog.signed(name, version)
    generation, keys = catalog.sheets.keys(signed)
    old = keychain.dataset_key(name, generation)
    sheet = KeySheet(
        vault=catalog.vault,
        dataset=name,
        version=version,
        manifest=signed.digest,
        generation=generation + 1,
        parts=tuple(_rewrapped(signed, number, part, old, new) for number, part in enumerate(keys)),
    )
    return sign(sheet, keychain.signer(Purpose.MANIFEST))


def _rewrapped(signed: Signed, number: int, keys: PartKeys, old: bytes, new: bytes) -> PartKeys:
    def again(wrapped: str, column: str | None) -> str:
        it = signed.manifest
        place = Place(dataset=it.dataset, version=it.version, part=it.parts[number].file, column=column)
        return data_keys.wrap(new, data_keys.unwrap(old, wrapped, place), place)

    return PartKeys(
        footer_key=again(keys.footer_key, None),
        column_keys={column: again(wrapped, column) for column, wrapped in keys.column_keys.items()},
    )
