"""What an owner does with sealed data besides sealing it; every change is logged before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.ledger.verify import verify
from jupyter_secure.broker.sealed.contents import Appended, former_schema
from jupyter_secure.broker.sealed.rotate import rotate
from jupyter_secure.broker.sealed.source import Source
from jupyter_secure.protocol.dataset import DatasetVersion, Tag
from jupyter_secure.protocol.errors import InvalidRequestError, RefusedError
from jupyter_secure.protocol.noun import Noun
from jupyter_secure.protocol.record import Header, Kind, Personal

from .cache import forget
from .vault import Vault


class Shredded(Noun):
    """That a dataset was destroyed.

    Attributes:
        entry: number of the entry of the log under which it was done.
        scrubbed: the store's old content is overwritten already; else a reader put that off until the next time.
    """

    dataset: str
    versions: tuple[int, ...]
    destroyed_at: int
    entry: int
    scrubbed: bool


class Rotated(Noun):
    """That a dataset has a new key.

    Attributes:
        generation: of the key; the first is 1.
        entry, scrubbed: as in `Shredded`, of the old key.
    """

    dataset: str
    generation: int
    entry: int
    scrubbed: bool


class Renewed(Noun):
    """That the budgets of a dataset were renewed, and how often by now."""

    dataset: str
    renewals: int
    entry: int


def shred(vault: Vault, name: str, personal: Personal | None = None) -> Shredded:
    """Destroy the key of a dataset, for every version, and remove its encrypted files; nothing brings it back.

    Manifests stay, so that what the log says of the dataset can still be verified. Called again it completes what
    was cut short: files that are still there, and old content of the store that a reader kept from being
    overwritten.

    Raises:
        RefusedError: there is no dataset of that name.
        AuditUnavailableError: the log cannot be written; nothing was destroyed.
    """
    versions = vault.catalog.versions(name)
    if not versions:
        raise RefusedError(detail="the store knows no such dataset")
    with vault.recorded(Kind.DATASET_SHREDDED, personal, dataset=name) as entry:
        scrubbed = vault.keychain.destroy_dataset(name, vault.now())
        forget(vault.folder.views, name)
        for version in versions:
            for part in vault.catalog.folder(name, version).glob("part-*.parquet"):
                part.unlink(missing_ok=True)
    at = vault.catalog.destroyed()[name]
    return Shredded(dataset=name, versions=versions, destroyed_at=at, entry=entry, scrubbed=scrubbed)


def rotate_keys(vault: Vault, name: str, personal: Personal | None = None) -> Rotated:
    """Give a dataset a new key and destroy the old one; files, digests and whoever reads are not touched.

    Raises:
        RefusedError, IntegrityError, ConflictError, LockedError, AuditUnavailableError: nothing was changed.
    """
    if name not in vault.catalog.names():
        raise RefusedError(detail="the store knows no such dataset")
    with vault.recorded(Kind.KEYS_ROTATED, personal, dataset=name) as entry:
        generation, scrubbed = rotate(vault.catalog, vault.keychain, name)
        forget(vault.folder.views, name)
    return Rotated(dataset=name, generation=generation, entry=entry, scrubbed=scrubbed)


def renew_budget(vault: Vault, name: str, reason: str, personal: Personal) -> Renewed:
    """Let everybody spend what policy says of a dataset once more; what was spent stays spent, and stays visible.

    Raises:
        RefusedError: there is no dataset of that name.
        InvalidRequestError: no reason was given.
        IntegrityError, AuditUnavailableError: nothing was changed.
    """
    if name not in vault.catalog.names():
        raise RefusedError(detail="the store knows no such dataset")
    if not reason.strip():
        raise InvalidRequestError("Say why the budget is renewed: --reason. Nothing was changed.")
    ledger = Ledger(vault.engine)
    verify(vault.engine)
    said = structs.replace(personal, note=f"{personal.note}: {reason}" if personal.note else reason)
    found: dict[str, str] = {}
    with vault.recorded(Kind.BUDGET_RENEWED, said, dataset=name, extra=found) as entry:
        head = ledger.renew(name)
        found["renewals"] = str(ledger.renewals(name))
    vault.audit.append(Header(time=vault.now(), kind=Kind.LEDGER_ANCHORED, outcome="done", extra={"head": str(head)}))
    return Renewed(dataset=name, renewals=ledger.renewals(name), entry=entry)


def columns_of(vault: Vault, name: str) -> Any:
    """Return the Arrow schema of a dataset's newest version; raises as `append`."""
    return former_schema(vault.catalog, vault.keychain, name)


def append(
    vault: Vault,
    source: Source,
    name: str,
    tags: Mapping[str, Tag | None],
    personal: Personal | None = None,
    expected: int | None = None,
) -> DatasetVersion:
    """Seal the newest version and the rows of a source after it; a column that is not in `tags` keeps its tag.

    Raises:
        RefusedError: there is no such dataset.
        IntegrityError: it is not what was sealed.
        LockedError, InputFileError, InvalidRequestError, ConflictError, AuditUnavailableError: nothing was sealed.
    """
    content = Appended(vault.catalog, vault.keychain, name, source)
    return vault.seal_content(content, name, tags_of(vault, name) | dict(tags), personal, expected)


def tags_of(vault: Vault, name: str) -> dict[str, Tag | None]:
    """Return the tags of a dataset's newest version."""
    return {column.name: column.tag for column in vault.catalog.latest(name).columns}
