"""Sealing: all or nothing.

Steps of `seal`: (1) take the lock, clear what an interrupted run left; (2) write encrypted parts and the signed
manifest into a hidden folder, fsync; (3) let the caller record the intent, and stop if it cannot; (4) rename the folder
into place and remember the version in one transaction. A failure at any step leaves the vault as it was; the version
number is taken by step 4 alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pyarrow as pa
from msgspec import UNSET
from sqlalchemy.exc import SQLAlchemyError

from jupyter_secure.broker.keys.keychain import Keychain, Purpose
from jupyter_secure.broker.store.database import Family, transaction
from jupyter_secure.broker.store.durable import sync_folder, write_durably
from jupyter_secure.protocol.dataset import Column, DatasetVersion, Measure, Tag
from jupyter_secure.protocol.errors import ConflictError, InputFileError, InvalidRequestError
from jupyter_secure.protocol.noun import DatasetName

from . import manifest
from .catalog import Catalog
from .contents import Content
from .manifest import Manifest, Signed
from .parts import PartWriter

HIDDEN = ".sealing-"
_UNWRITABLE = "The data could not be written to the vault (is the disk full?). Nothing was sealed."
Record = Callable[[DatasetVersion], None]


def seal(
    catalog: Catalog,
    keychain: Keychain,
    content: Content,
    *,
    name: str,
    tags: Mapping[str, Tag | None],
    now: int,
    record: Record = lambda _: None,
) -> DatasetVersion:
    """Seal a content as the next version of a dataset.

    `tags` is what the steward confirmed: a column that is not in it, or is None, will be denied. `now` is milliseconds
    since 1970. `record` is called once all is on disk and before the version counts; if it raises, nothing was sealed.

    Raises:
        InputFileError: the source is broken, or the disk is full.
        InvalidRequestError: the name is not one, or a tag names a column that is not there.
        ConflictError: somebody else is sealing, the dataset was destroyed, or it has another measure.
        LockedError: the vault is locked.
    """
    _check_request(name, content.schema, tags)
    # (1) One at a time, so that the version number taken here is still the next one in step 4.
    with alone(catalog.datasets):
        keychain.ensure_dataset(name, now)
        hidden = catalog.datasets / f"{HIDDEN}{secrets.token_hex(8)}"
        hidden.mkdir(mode=0o700)
        try:
            # (2) Everything, outside the places that are read.
            envelope, signed = _write(catalog, keychain, content, hidden, name, tags, now)
            # (3) No log, no version.
            record(signed.described())
            # (4) From here on it counts.
            _commit(catalog, hidden, signed, envelope)
        except (OSError, pa.ArrowException, SQLAlchemyError) as error:
            raise InputFileError(_UNWRITABLE, detail=type(error).__name__) from None
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
    return signed.described()


def _write(
    catalog: Catalog,
    keychain: Keychain,
    content: Content,
    hidden: Path,
    name: str,
    tags: Mapping[str, Tag | None],
    now: int,
) -> tuple[bytes, Signed]:
    version, parent = catalog.next_version(name)
    measure = _measure(name, content.measure, parent)
    key = keychain.dataset_key(name, catalog.sheets.generation(name))
    writer = PartWriter(hidden, key, name, version, content.schema)
    content.fill(writer)
    described = Manifest(
        vault=catalog.vault,
        dataset=name,
        version=version,
        parent=None if parent is None else parent.digest,
        sealed_at=now,
        cipher="AES_GCM_V1",
        key_bits=256,
        rows=sum(part.rows for part in writer.parts),
        columns=tuple(Column(name=it.name, type=str(it.type), tag=tags.get(it.name)) for it in content.schema),
        parts=tuple(writer.parts),
        measure=UNSET if measure == "zcdp" else measure,
    )
    envelope, signed = manifest.sign(described, keychain.signer(Purpose.MANIFEST))
    write_durably(hidden / manifest.FILE, envelope)
    sync_folder(hidden)
    return envelope, signed


def _measure(name: str, wanted: Measure | None, parent: Signed | None) -> Measure:
    """Return the measure of private answers: what was spent in one is not known in another, so it never changes."""
    if parent is None:
        return wanted or "zcdp"
    fixed = parent.described().measure
    if wanted not in {None, fixed}:
        raise ConflictError(
            f"`{name}` was sealed with the measure {fixed}, which all its versions have. Nothing was sealed: leave "
            "--measure away."
        )
    return fixed


def _check_request(name: str, schema: pa.Schema, tags: Mapping[str, Tag | None]) -> None:
    try:
        msgspec.convert(name, DatasetName)
    except msgspec.ValidationError:
        raise InvalidRequestError(
            "A dataset's name is lower-case letters, digits, `_` and `-`, begins with a letter, and has at most 63 "
            "characters. Nothing was sealed."
        ) from None
    unknown = sorted(set(tags) - set(schema.names))
    if unknown:
        raise InvalidRequestError(f"There is no column `{unknown[0]}` to tag. Nothing was sealed.")


def _commit(catalog: Catalog, hidden: Path, signed: Signed, envelope: bytes) -> None:
    it = signed.manifest
    place = catalog.folder(it.dataset, it.version)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    sync_folder(catalog.datasets)
    with transaction(catalog.engine, Family.SEALED) as connection:
        catalog.remember(connection, signed, envelope)
        # A folder of this number that the store does not remember was never acknowledged: a crash between the two.
        shutil.rmtree(place, ignore_errors=True)
        hidden.rename(place)
        sync_folder(place.parent)


@contextlib.contextmanager
def alone(datasets: Path) -> Iterator[None]:
    """Keep every other process from sealing and from rotating keys, and clear what an interrupted seal left.

    Raises:
        ConflictError: one is at it.
    """
    fd = os.open(datasets / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                "Another dataset is being sealed, or its keys rotated. Wait for it to finish, then try again."
            ) from None
        for leftover in datasets.glob(f"{HIDDEN}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield
    finally:
        os.close(fd)
