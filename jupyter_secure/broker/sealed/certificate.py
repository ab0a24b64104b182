"""The certificate that a person was deleted: which versions cannot be read any more, and which one is without them.

An in-toto statement under the vault's manifest key, checked offline with the public key alone. It names no person: it
commits to the column's value by SHA-256 over a random salt, the *receipt*, which is given to whoever asked for the
deletion and kept nowhere. Whoever has receipt and value can show that the certificate is about that person.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated

import msgspec

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
from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.protocol.noun import ColumnName, Count, DatasetName, Noun

from .manifest import Digest

PREDICATE = "https://jupyter-secure.dev/erasure/v1"
SALT = 32


class Named(Noun):
    """A version and the digest of its manifest."""

    version: Count
    digest: Digest


class Erasure(Noun):
    """What was done.

    Attributes:
        at: milliseconds since 1970.
        entry: number of the entry of the log under which it was done.
        column: the one that names persons.
        commitment: to the value that it has for the person.
        generation: of the dataset's key; those before are destroyed.
        kept: the version without the person.
        erased: the versions that no key opens any more.
    """

    vault: str
    dataset: DatasetName
    at: Count
    entry: Count
    column: ColumnName
    commitment: Digest
    generation: Annotated[int, msgspec.Meta(ge=1)]
    kept: Named
    erased: tuple[Named, ...]


def commit(value: str) -> tuple[str, str]:
    """Return the commitment to a value and the receipt that opens it."""
    receipt = secrets.token_hex(SALT)
    return _commitment(value, receipt), receipt


def concerns(erasure: Erasure, value: str, receipt: str) -> bool:
    """Say whether a certificate is about the person with that value."""
    return secrets.compare_digest(_commitment(value, receipt), erasure.commitment)


def sign(erasure: Erasure, signer: Signs) -> bytes:
    """Return the certificate."""
    return seal_envelope(signer, IN_TOTO, make_statement(_subjects(erasure), PREDICATE, erasure))


def open_certificate(data: bytes, verifier: Verifier) -> Erasure:
    """Verify and read a certificate.

    Raises:
        IntegrityError: it was changed, or signed by another vault.
    """
    payload = open_envelope(verifier, IN_TOTO, data)
    try:
        erasure = msgspec.json.decode(read_statement(payload, PREDICATE).predicate, type=Erasure)
    except msgspec.DecodeError as error:
        raise IntegrityError(detail=f"certificate: {error}") from None
    if make_statement(_subjects(erasure), PREDICATE, erasure) != payload:
        raise IntegrityError(detail="a certificate is not canonical or its subjects differ")
    return erasure


def _subjects(erasure: Erasure) -> tuple[Subject, ...]:
    return tuple(
        Subject(name=f"{erasure.dataset}/{it.version}", digest={"sha256": it.digest})
        for it in (*erasure.erased, erasure.kept)
    )


def _commitment(value: str, receipt: str) -> str:
    return hashlib.sha256(canonical({"receipt": receipt, "value": value})).hexdigest()
