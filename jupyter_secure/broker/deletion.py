"""Deleting a person from a dataset, in every version that can be read.

Steps of `delete_person`: (1) look which versions hold the person; nothing is changed for nobody; (2) log the intent;
(3) seal a version without the person, unless the newest is one already; (4) rotate the dataset's key, so that no key
there is opens an older version; (5) remove their files; (6) sign the certificate, and log its digest.

Killed before step 4 is done, the same call again goes on from there; killed after it, the person is gone, the same call
removes files that are left and finds nobody, and there is no certificate but the log's entries. What was handed out
before is with whoever has it: the log says who, and the outcome lists them.
"""

from __future__ import annotations

import hashlib

from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.sealed import certificate
from jupyter_secure.broker.sealed.certificate import Erasure, Named
from jupyter_secure.broker.sealed.remainder import Remainder
from jupyter_secure.broker.sealed.rotate import rotate
from jupyter_secure.protocol.errors import RefusedError
from jupyter_secure.protocol.noun import Noun
from jupyter_secure.protocol.record import Entry, Kind, Personal
from jupyter_secure.protocol.view import Rung

from .cache import forget
from .keeping import tags_of
from .vault import Vault


class Deleted(Noun):
    """That a person was deleted.

    Attributes:
        receipt: opens the certificate's commitment; it is kept nowhere.
        holders: the views of the dataset that were handed out, newest first.
        scrubbed: the store's old content is overwritten already; else a reader put that off until the next rotation.
    """

    erasure: Erasure
    certificate: bytes
    receipt: str
    holders: tuple[Entry, ...]
    scrubbed: bool


def delete_person(vault: Vault, name: str, column: str, value: str, personal: Personal | None = None) -> Deleted:
    """Delete the rows in which `column` has that value, and every older version with its keys.

    Raises:
        RefusedError: there is no such dataset or column, or no row of that person.
        InvalidRequestError: the column cannot have such a value.
        IntegrityError, ConflictError, LockedError, AuditUnavailableError: as in sealing; the call can be repeated.
    """
    if name not in vault.catalog.names():
        raise RefusedError(detail="the store knows no such dataset")
    _remove_files(vault, name)  # what a killed call left
    # (1) Before anything is promised.
    others = Remainder(vault.catalog, vault.keychain, name, column, value)
    *older, newest = vault.catalog.readable(name)
    held = others.held_by(newest)
    if not held and not any(others.held_by(version) for version in older):
        raise RefusedError("No version of the dataset has a row of that person. Nothing was changed.")
    # (2) `recorded` logs the intent, and the outcome with what is in `found` by then.
    commitment, receipt = certificate.commit(value)
    found: dict[str, str] = {}
    with vault.recorded(Kind.SUBJECT_DELETED, personal, dataset=name, extra=found) as entry:
        # (3) Later versions, if somebody seals one at this moment, are not what this call speaks of.
        kept = vault.seal_content(others, name, tags_of(vault, name), personal).version if held else newest
        # (4) From here on nothing opens the person's rows.
        older = [version for version in vault.catalog.readable(name) if version < kept]
        generation, scrubbed = rotate(vault.catalog, vault.keychain, name, without=older)
        # (5) Not needed for that, but nobody has to believe it.
        _remove_files(vault, name)
        # (6) All that were ever erased, so that the newest certificate says it all.
        erasure = Erasure(
            vault=vault.id,
            dataset=name,
            at=vault.now(),
            entry=entry,
            column=column,
            commitment=commitment,
            generation=generation,
            kept=_named(vault, name, kept),
            erased=tuple(_named(vault, name, version) for version in sorted(vault.catalog.sheets.erased(name))),
        )
        signed = certificate.sign(erasure, vault.keychain.signer(Purpose.MANIFEST))
        found["certificate"] = hashlib.sha256(signed).hexdigest()
    loads = vault.audit.entries(dataset=name, kinds=(Kind.LOAD_DELIVERED,), limit=None)
    holders = tuple(entry for entry in loads if entry.header.rung != Rung.DP)  # a private handle holds nobody
    return Deleted(erasure=erasure, certificate=signed, receipt=receipt, holders=holders, scrubbed=scrubbed)


def _named(vault: Vault, name: str, version: int) -> Named:
    return Named(version=version, digest=vault.catalog.signed(name, version).digest)


def _remove_files(vault: Vault, name: str) -> None:
    forget(vault.folder.views, name)
    for version in vault.catalog.sheets.erased(name):
        for part in vault.catalog.folder(name, version).glob("part-*.parquet"):
            part.unlink(missing_ok=True)
