"""The signed manifest of one dataset version: what its parts are, and their wrapped keys.

An in-toto Statement v1 in a DSSE envelope under the vault's manifest key. Promises: nothing of a manifest is used
before its signature has been verified; a manifest that disagrees with itself is refused; the bytes signed are
canonical, so one manifest has one digest. See docs/spec/sealed-v1.md section 3.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

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
from jupyter_secure.protocol.dataset import Column, DatasetVersion
from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.protocol.noun import ColumnName, Count, DatasetName, Noun

PREDICATE = "https://jupyter-secure.dev/sealed/v1"
FILE = "manifest.json"
LIMIT = 64 * 2**20

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
# One shape of name, so that no manifest can name a path.
PartName = Annotated[str, msgspec.Meta(pattern=r"^part-[0-9]{5}\.parquet\Z")]
WrappedKey = Annotated[str, msgspec.Meta(min_length=80, max_length=80)]


class Part(Noun):
    """One Parquet file.

    Attributes:
        size: bytes.
        sha256: of the whole encrypted file; lets a locked vault be verified.
        footer_sha256: of footer, footer length and magic; the pin that every read checks.
        footer_key, column_keys: base64 of nonce (12), wrapped key (32) and tag (16).
    """

    file: PartName
    size: Count
    sha256: Digest
    footer_sha256: Digest
    rows: Count
    row_groups: Count
    footer_key: WrappedKey
    column_keys: dict[ColumnName, WrappedKey]


class Manifest(Noun):
    """One dataset version.

    Attributes:
        vault: identifier of the vault that sealed it.
        parent: digest of the version before, None for the first.
        sealed_at: milliseconds since 1970.
        measure: of private answers; absent where it is zCDP, as in every manifest from before there was a choice.
    """

    vault: str
    dataset: DatasetName
    version: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    parent: Digest | None
    sealed_at: Count
    cipher: Literal["AES_GCM_V1"]
    key_bits: Literal[256]
    rows: Count
    columns: Annotated[tuple[Column, ...], msgspec.Meta(min_length=1)]
    parts: Annotated[tuple[Part, ...], msgspec.Meta(min_length=1)]
    measure: Literal["pure"] | UnsetType = UNSET


class Signed(Noun):
    """A manifest whose signature has been verified, with the digest that names it."""

    manifest: Manifest
    digest: Digest

    def described(self) -> DatasetVersion:
        """Return what the rest of the broker knows of a version."""
        it = self.manifest
        return DatasetVersion(
            name=it.dataset,
            version=it.version,
            digest=self.digest,
            rows=it.rows,
            columns=it.columns,
            sealed_at=it.sealed_at,
            measure=it.measure or "zcdp",
        )


def sign(manifest: Manifest, signer: Signs) -> tuple[bytes, Signed]:
    """Return the bytes of the manifest file, and the manifest with its digest."""
    payload = make_statement(_subject(manifest), PREDICATE, manifest)
    return seal_envelope(signer, IN_TOTO, payload), Signed(manifest=manifest, digest=_digest(payload))


def open_signed(data: bytes, verifier: Verifier) -> Signed:
    """Verify and read a manifest file.

    Raises:
        IntegrityError: not signed by this vault, malformed, or at odds with itself.
    """
    payload = open_envelope(verifier, IN_TOTO, data)
    statement = read_statement(payload, PREDICATE)
    try:
        manifest = msgspec.json.decode(statement.predicate, type=Manifest)
    except msgspec.DecodeError as error:
        raise IntegrityError(detail=f"manifest: {error}") from None
    _check_sense(manifest)
    if make_statement(_subject(manifest), PREDICATE, manifest) != payload:
        raise IntegrityError(detail="a manifest is not canonical or its subject differs from its parts")
    return Signed(manifest=manifest, digest=_digest(payload))


def _subject(manifest: Manifest) -> tuple[Subject, ...]:
    return tuple(Subject(name=part.file, digest={"sha256": part.sha256}) for part in manifest.parts)


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _check_sense(manifest: Manifest) -> None:
    names = {column.name for column in manifest.columns}
    files = [part.file for part in manifest.parts]
    sound = (
        len(names) == len(manifest.columns)
        and files == [f"part-{number:05}.parquet" for number in range(len(files))]
        and sum(part.rows for part in manifest.parts) == manifest.rows
        and all(set(part.column_keys) == names for part in manifest.parts)
        and (manifest.version == 1) == (manifest.parent is None)
    )
    if not sound:
        raise IntegrityError(detail="a manifest disagrees with itself")
