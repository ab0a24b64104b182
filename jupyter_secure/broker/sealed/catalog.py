"""Which datasets there are, by signed manifests, and the broker's memory of versions.

Every manifest is read from disk, verified under the vault's manifest key, and compared with what the store remembers of
that version; the newest version is the one the store remembers, and a dataset whose key was destroyed is like one that
never was. So a folder that was replaced by an older one, emptied,
or filled with another dataset's files is an `IntegrityError`, and no key is needed to find out.

On disk: `datasets/NAME/VERSION/manifest.json` and the parts beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Connection, Engine, and_, bindparam, exists, func, insert, select

from jupyter_secure.broker.keys.signing import Verifier
from jupyter_secure.broker.store.database import reading
from jupyter_secure.broker.store.prepared import Prepared
from jupyter_secure.broker.store.tables.keys import KEYS
from jupyter_secure.broker.store.tables.sealed import SEALED_VERSIONS
from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.errors import IntegrityError, RefusedError

from . import manifest
from .footer import open_part
from .key_sheets import KeySheets
from .manifest import Signed

_T = SEALED_VERSIONS.c
_DESTROYED = and_(KEYS.c.purpose == "dataset", KEYS.c.destroyed.is_not(None))
# Several times in each request; made once, because making it costs as much as running it.
_OF_NAME = (
    select(_T.version, _T.digest)
    .where(_T.dataset == bindparam("name"), ~exists().where(_DESTROYED, KEYS.c.name == bindparam("name")))
    .order_by(_T.version.desc())
    .limit(1)
)
_NEWEST, _NUMBERED = Prepared(_OF_NAME), Prepared(_OF_NAME.where(_T.version == bindparam("number")))


class Catalog:
    """The sealed datasets of one vault.

    Attributes:
        sheets: the data keys of every version, as they are wrapped now.

    Args:
        datasets: the folder that holds them.
        verifier: of the vault's manifest key.
        vault: the vault's identifier; manifests of another vault are refused.
    """

    def __init__(self, datasets: Path, engine: Engine, verifier: Verifier, vault: str) -> None:
        self.datasets = datasets
        self.engine = engine
        self.vault = vault
        self.sheets = KeySheets(engine, verifier)
        self._verifier = verifier
        self._verified: dict[tuple[str, int], tuple[tuple[int, int, int], Signed]] = {}

    def names(self) -> tuple[str, ...]:
        """Return the names of all datasets whose key there is, sorted."""
        gone = self.destroyed()
        with self.engine.connect() as connection:
            found = connection.execute(select(_T.dataset).distinct().order_by(_T.dataset)).scalars()
            return tuple(name for name in found if name not in gone)

    def destroyed(self) -> dict[str, int]:
        """Return when the key of each dataset that has none any more was destroyed, milliseconds since 1970."""
        with self.engine.connect() as connection:
            found = connection.execute(select(KEYS.c.name, KEYS.c.destroyed).where(_DESTROYED))
            return {row.name: row.destroyed for row in found}

    def versions(self, name: str) -> tuple[int, ...]:
        """Return every version of a dataset that ever was, oldest first; empty if there is none of that name."""
        with self.engine.connect() as connection:
            found = connection.execute(select(_T.version).where(_T.dataset == name).order_by(_T.version)).scalars()
            return tuple(found)

    def readable(self, name: str) -> tuple[int, ...]:
        """Return the versions of a dataset that are not erased, oldest first."""
        erased = self.sheets.erased(name)
        return tuple(version for version in self.versions(name) if version not in erased)

    def latest(self, name: str) -> DatasetVersion:
        """Return the newest version.

        Raises:
            RefusedError: there is no dataset of that name.
            IntegrityError: its manifest is not the one that was sealed.
        """
        return self.signed(name).described()

    def version(self, name: str, version: int) -> DatasetVersion:
        """Return one version; raises as `latest`."""
        return self.signed(name, version).described()

    def signed(self, name: str, version: int | None = None, *, fresh: bool = False) -> Signed:
        """Return the verified manifest of a version, by default the newest; raises as `latest`.

        With `fresh` the file is read even if it was verified before and has not changed since.
        """
        number, digest = self._remembered(name, version)
        if fresh:
            self._verified.pop((name, number), None)
        found = self._read(name, number)
        it = found.manifest
        if (it.dataset, it.version, it.vault) != (name, number, self.vault) or found.digest != digest:
            raise IntegrityError(detail=f"{name}/{number}: the manifest is of another version, dataset or vault")
        return found

    def folder(self, name: str, version: int) -> Path:
        """Return where a version lies."""
        return self.datasets / name / str(version)

    def next_version(self, name: str) -> tuple[int, Signed | None]:
        """Return the number of the version to seal next, and its parent."""
        versions = self.versions(name)
        return (versions[-1] + 1, self.signed(name)) if versions else (1, None)

    def remember(self, connection: Connection, signed: Signed, envelope: bytes) -> None:
        """Record a new version inside the caller's transaction.

        Raises:
            IntegrityError: it is not the next one.
        """
        it = signed.manifest
        highest = connection.execute(select(func.max(_T.version)).where(_T.dataset == it.dataset)).scalar() or 0
        if it.version != highest + 1:
            raise IntegrityError(detail=f"{it.dataset}: version {it.version} after {highest}")
        row = {"dataset": it.dataset, "version": it.version, "digest": signed.digest, "envelope": envelope}
        connection.execute(insert(SEALED_VERSIONS).values(**row, rows=it.rows, sealed_at=it.sealed_at))

    def _remembered(self, name: str, version: int | None) -> tuple[int, str]:
        which: dict[str, object] = {"name": name} if version is None else {"name": name, "number": version}
        with reading(self.engine) as connection:
            row = (_NEWEST if version is None else _NUMBERED).first(connection, **which)
        if row is None:
            raise RefusedError(detail="the store knows no such dataset or version, or its key was destroyed")
        return row.version, row.digest

    def _read(self, name: str, version: int) -> Signed:
        folder = self.folder(name, version)
        if folder.is_symlink() or folder.parent.is_symlink():
            raise IntegrityError(detail=f"{name}/{version} is a link")
        fd = open_part(folder / manifest.FILE)
        try:
            state = os.fstat(fd)
            if state.st_size > manifest.LIMIT:
                raise IntegrityError(detail=f"{name}/{version}: the manifest is too long")
            # A manifest is verified once as long as the file is the same: a wide one costs milliseconds each time.
            mark = (state.st_ino, state.st_mtime_ns, state.st_size)
            known = self._verified.get((name, version))
            if known is not None and known[0] == mark:
                return known[1]
            found = manifest.open_signed(os.pread(fd, state.st_size, 0), self._verifier)
        finally:
            os.close(fd)
        self._verified[name, version] = (mark, found)
        return found
