"""Key sheets: the data keys of a sealed version, wrapped anew under a later key of its dataset.

Manifest and parts never change; what a rotation changes is who can unwrap the data keys, and that is kept apart from
them, in the store. A sheet is an in-toto statement under the vault's manifest key and names the manifest it belongs
to, so a version keeps its digest. Promises: the newest generation is the only one whose key there is, so an older sheet
opens nothing; a version without a sheet in a generation that came after it is erased, and is like one that never was.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from sqlalchemy import Connection, Engine, bindparam, func, insert, select

from jupyter_secure.broker.keys.signing import (
    IN_TOTO,
    Signs,
    Subject,
    Verifier,
    make_statement,
    open_envelope,
    read_statement,
    seal_envelope,
)
from jupyter_secure.broker.store.database import reading
from jupyter_secure.broker.store.prepared import Prepared
from jupyter_secure.broker.store.tables.sealed import KEY_SHEETS
from jupyter_secure.protocol.errors import IntegrityError, RefusedError
from jupyter_secure.protocol.noun import ColumnName, DatasetName, Noun

from .manifest import Digest, Signed, WrappedKey

PREDICATE = "https://jupyter-secure.dev/key-sheet/v1"
_T = KEY_SHEETS.c
_NEWEST = Prepared(select(func.max(_T.generation).label("generation")).where(_T.dataset == bindparam("name")))


class PartKeys(Noun):
    """The wrapped data keys of one part, as in `manifest.Part`."""

    footer_key: WrappedKey
    column_keys: dict[ColumnName, WrappedKey]


class KeySheet(Noun):
    """The wrapped data keys of one version.

    Attributes:
        manifest: digest of the version's manifest.
        generation: of the dataset's key; that under which a dataset began is 1.
        parts: in the manifest's order.
    """

    vault: str
    dataset: DatasetName
    version: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    manifest: Digest
    generation: Annotated[int, msgspec.Meta(ge=2, le=2**31 - 1)]
    parts: tuple[PartKeys, ...]


def sign(sheet: KeySheet, signer: Signs) -> bytes:
    """Return the signed form of a sheet."""
    return seal_envelope(signer, IN_TOTO, make_statement(_subject(sheet.manifest), PREDICATE, sheet))


class KeySheets:
    """The sheets of one vault."""

    def __init__(self, engine: Engine, verifier: Verifier) -> None:
        self._engine = engine
        self._verifier = verifier
        self._verified: dict[str, tuple[int, tuple[PartKeys, ...]]] = {}

    def generation(self, dataset: str) -> int:
        """Return the generation of a dataset's key."""
        with reading(self._engine) as connection:
            return _NEWEST.first(connection, name=dataset).generation or 1

    def erased(self, dataset: str) -> frozenset[int]:
        """Return the versions whose data keys nothing unwraps any more."""
        newest = select(func.max(_T.generation)).where(_T.dataset == dataset).scalar_subquery()
        query = select(_T.version).where(_T.dataset == dataset, _T.generation == newest, _T.envelope.is_(None))
        with self._engine.connect() as connection:
            return frozenset(connection.execute(query).scalars())

    def keys(self, signed: Signed) -> tuple[int, tuple[PartKeys, ...]]:
        """Return the newest generation, and the data keys of a version under it.

        Raises:
            RefusedError: the version is erased.
            IntegrityError: the sheet is not the one that was signed.
        """
        it = signed.manifest
        generation = self.generation(it.dataset)
        # Sheets are never changed, so one that was verified stays verified; a wide one costs milliseconds.
        known = self._verified.get(signed.digest)
        if known is None or known[0] != generation:
            known = self._verified[signed.digest] = (generation, self._read(signed, generation))
        return known

    def remember(
        self, connection: Connection, dataset: str, version: int, generation: int, sheet: bytes | None
    ) -> None:
        """Record a sheet, or that there is none, inside the caller's transaction."""
        row = {"dataset": dataset, "version": version, "generation": generation, "envelope": sheet}
        connection.execute(insert(KEY_SHEETS).values(**row))

    def _read(self, signed: Signed, generation: int) -> tuple[PartKeys, ...]:
        it = signed.manifest
        query = select(_T.envelope).where(_T.dataset == it.dataset, _T.version == it.version)
        with self._engine.connect() as connection:
            row = connection.execute(query.where(_T.generation == generation)).one_or_none()
        if row is None:  # sealed under the newest key: the manifest has its data keys
            return tuple(PartKeys(footer_key=part.footer_key, column_keys=part.column_keys) for part in it.parts)
        if row.envelope is None:
            raise RefusedError(detail="the version was erased")
        return self._open(row.envelope, signed, generation)

    def _open(self, envelope: bytes, signed: Signed, generation: int) -> tuple[PartKeys, ...]:
        it = signed.manifest
        statement = read_statement(open_envelope(self._verifier, IN_TOTO, envelope), PREDICATE)
        try:
            sheet = msgspec.json.decode(statement.predicate, type=KeySheet)
        except msgspec.DecodeError as error:
            raise IntegrityError(detail=f"key sheet: {error}") from None
        named = (sheet.vault, sheet.dataset, sheet.version, sheet.manifest, sheet.generation)
        columns = {column.name for column in it.columns}
        whole = len(sheet.parts) == len(it.parts) and all(set(part.column_keys) == columns for part in sheet.parts)
        if named != (it.vault, it.dataset, it.version, signed.digest, generation) or not whole:
            raise IntegrityError(detail="a key sheet is of another version or generation")
        return sheet.parts


def _subject(manifest: str) -> tuple[Subject, ...]:
    return (Subject(name="manifest.json", digest={"sha256": manifest}),)
