"""Verifying everything that is sealed, part by part, and saying what is wrong with which.

A locked vault can be verified too: signatures, remembered versions, the chain of parents, and size, footer and SHA-256
of every file, which finds any change. An unlocked one is in addition decrypted to the last row, with the keys of the
manifest compared to those in the files. Findings name parts, never values.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import structs

from jupyter_secure.broker.keys.keychain import Keychain
from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.protocol.noun import Noun

from . import data_keys
from .catalog import Catalog
from .data_keys import PartCipher, Place
from .footer import file_digest, footer_digest, open_part
from .manifest import FILE, Manifest, Part

BATCH = 1 << 16


class Finding(Noun):
    """What is wrong; `part` is empty where it is the manifest."""

    part: str
    sentence: str


class Report(Noun):
    """The state of one version.

    Attributes:
        decrypted: whether every row was decrypted, or only the files' digests compared.
    """

    dataset: str
    version: int
    digest: str
    rows: int
    decrypted: bool
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Say whether nothing is wrong."""
        return not self.findings


def check(catalog: Catalog, keychain: Keychain, name: str, version: int) -> Report:
    """Verify one version; with the keys if the vault is unlocked.

    Raises:
        RefusedError: the broker remembers no such version.
    """
    try:
        signed = catalog.signed(name, version, fresh=True)
        _check_parent(catalog, signed.manifest)
    except IntegrityError as error:
        finding = Finding(part="", sentence=f"The manifest is not the one that was sealed ({error.detail}).")
        return Report(dataset=name, version=version, digest="", rows=0, decrypted=False, findings=(finding,))
    folder = catalog.folder(name, version)
    findings = _strangers(folder, signed.manifest)
    for part in signed.manifest.parts:
        try:
            _check_file(folder / part.file, part)
            if not keychain.locked:
                _decrypt(folder / part.file, signed.manifest, part, keychain.dataset_key(name))
        except IntegrityError as error:
            findings.append(Finding(part=part.file, sentence=f"It is not what was sealed ({error.detail})."))
    return Report(
        dataset=name,
        version=version,
        digest=signed.digest,
        rows=signed.manifest.rows,
        decrypted=not keychain.locked,
        findings=tuple(findings),
    )


def check_all(catalog: Catalog, keychain: Keychain, name: str | None = None) -> tuple[Report, ...]:
    """Verify every version of one dataset or of all."""
    names = catalog.names() if name is None else (name,)
    return tuple(check(catalog, keychain, it, version) for it in names for version in catalog.versions(it))


def _check_parent(catalog: Catalog, manifest: Manifest) -> None:
    if (
        manifest.version > 1
        and catalog.signed(manifest.dataset, manifest.version - 1, fresh=True).digest != manifest.parent
    ):
        raise IntegrityError(detail="its parent is another")


def _strangers(folder: Path, manifest: Manifest) -> list[Finding]:
    known = {FILE, *(part.file for part in manifest.parts)}
    extra = sorted(entry.name for entry in folder.iterdir() if entry.name not in known)
    return [Finding(part=name, sentence="It is not part of this version and is never read.") for name in extra]


def _check_file(path: Path, part: Part) -> None:
    fd = open_part(path)
    try:
        if footer_digest(fd, part.size) != part.footer_sha256:
            raise IntegrityError(detail="another footer")
        if file_digest(fd) != part.sha256:
            raise IntegrityError(detail="another content")
    finally:
        os.close(fd)


def _decrypt(path: Path, manifest: Manifest, part: Part, kek: bytes) -> None:
    # Arrow only sees files whose digest is the sealed one, because it may abort the process on a forged one.
    names = tuple(column.name for column in manifest.columns)
    cipher = PartCipher(kek, manifest.dataset, manifest.version, names)
    try:
        with pq.ParquetFile(path, decryption_properties=cipher.decryption(), pre_buffer=False) as file:
            rows = sum(batch.num_rows for batch in file.iter_batches(BATCH))
    except (pa.ArrowException, OSError):
        raise IntegrityError(detail="it does not decrypt") from None
    footer_key, column_keys = cipher.captured()
    place = Place(dataset=manifest.dataset, version=manifest.version, part=part.file, column=None)
    if data_keys.unwrap(kek, part.footer_key, place) != footer_key:
        raise IntegrityError(detail="the manifest has another footer key")
    for name, key in column_keys.items():
        if data_keys.unwrap(kek, part.column_keys[name], structs.replace(place, column=name)) != key:
            raise IntegrityError(detail="the manifest has another column key")
    if rows != part.rows:
        raise IntegrityError(detail="another number of rows")
