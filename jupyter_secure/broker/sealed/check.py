"""Verifying everything that is sealed, part by part, and saying what is wrong with which.

A locked vault can be verified too: signatures, remembered versions, the chain of parents, and size, footer and SHA-256
of every file, which finds any change. An unlocked one is in addition decrypted to the last row, with the keys that
the manifest or its key sheet has. Findings name parts, never values.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_secure.broker.keys.keychain import Keychain
from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.protocol.noun import Noun

from .catalog import Catalog
from .data_keys import GivenKeys, decryption
from .footer import file_digest, footer_digest, open_part
from .manifest import FILE, Manifest, Part, Signed
from .reader import data_keys_of

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
    keys: list[GivenKeys | None] = [None] * len(signed.manifest.parts)
    try:
        keys = _all_keys(catalog, keychain, signed)
    except IntegrityError as error:
        findings.append(Finding(part="", sentence=f"Its keys are not the ones that were sealed ({error.detail})."))
    for part, given in zip(signed.manifest.parts, keys, strict=True):
        try:
            _check_file(folder / part.file, part)
            if given is not None:
                _decrypt(folder / part.file, part, given)
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
    return tuple(check(catalog, keychain, it, version) for it in names for version in catalog.readable(it))


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


def _all_keys(catalog: Catalog, keychain: Keychain, signed: Signed) -> list[GivenKeys | None]:
    if keychain.locked:
        return [None for _ in catalog.sheets.keys(signed)[1]]  # its signature is checked all the same
    names = tuple(column.name for column in signed.manifest.columns)
    return [GivenKeys(*keys) for keys in data_keys_of(catalog, keychain, signed, names)]


def _decrypt(path: Path, part: Part, keys: GivenKeys) -> None:
    # Arrow only sees files whose digest is the sealed one, because it may abort the process on a forged one.
    try:
        with pq.ParquetFile(path, decryption_properties=decryption(keys), pre_buffer=False) as file:
            rows = sum(batch.num_rows for batch in file.iter_batches(BATCH))
    except (pa.ArrowException, OSError):
        raise IntegrityError(detail="it does not decrypt with the keys it was sealed with") from None
    if rows != part.rows:
        raise IntegrityError(detail="another number of rows")
