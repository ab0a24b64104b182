"""Every policy that was ever in force, signed, with a number that only grows.

A version holds the text as it was written, so a reader can see what was meant, and the keys of the files that the text
names. On reading: (1) the signature, (2) the number inside against the row it was found in, (3) text and keys compiled
again, (4) the digest against the signed one. Any difference is an `IntegrityError` and nothing is decided. An older
version put in front is found because the numbers must run from 1 without a gap, and because the caller passes the
highest number that it has recorded elsewhere (`at_least`).

Rows and signatures come in through two small interfaces; nothing here knows a database or a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType

from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import IntegrityError, PolicyError
from jupyter_secure.protocol.noun import Count, Noun

from .compile import compile_text, denies_everything
from .key_lists import NO_KEYS, KeyLists
from .policy import Policy

PAYLOAD_TYPE = "application/vnd.jupyter-secure.policy.v1+json"


class PolicySigner(Protocol):
    """Signs and verifies envelopes (DSSE)."""

    def sign(self, payload_type: str, payload: bytes) -> bytes:
        """Return the signed envelope."""

    def verify(self, payload_type: str, envelope: bytes) -> bytes:
        """Return the payload of a good envelope, or raise `IntegrityError`."""


class PolicyRow(Protocol):
    """A row of the store; `digest` is the policy's, `applied` in milliseconds since 1970."""

    @property
    def digest(self) -> str:
        """Return the policy's digest."""

    @property
    def envelope(self) -> bytes:
        """Return the signed version."""

    @property
    def applied(self) -> int:
        """Return when it was applied."""


class PolicyRows(Protocol):
    """Where versions are kept (`store.policy_rows`)."""

    def read(self) -> Sequence[PolicyRow]:
        """Return all rows, the smallest number first."""

    def add(self, number: int, digest: str, envelope: bytes, applied: int) -> None:
        """Add a row durably, or raise `ConflictError` if its number is taken."""


class Version(Noun):
    """What is signed: one applied policy.

    Attributes:
        keys: by dataset and column, what stood in the files that the text names; absent if it names none.
    """

    number: Count
    digest: str
    text: str
    applied: Count
    keys: dict[str, dict[str, tuple[str, ...]]] | UnsetType = UNSET


class PolicyArchive:
    """The versions of one vault."""

    def __init__(self, rows: PolicyRows, signer: PolicySigner) -> None:
        self._rows = rows
        self._signer = signer

    def apply(self, text: str, now_ms: int, keys: KeyLists = NO_KEYS) -> tuple[Version, Policy]:
        """Compile a file's text, with the keys of the files it names, and put it in force as the next version.

        Raises:
            PolicyError: the text is not a policy; nothing was changed.
            ConflictError: another version was applied meanwhile; nothing was changed.
        """
        policy = compile_text(text, keys)
        number = len(self.versions()) + 1
        kept = {dataset: dict(columns) for dataset, columns in keys.items()}
        version = Version(number=number, digest=policy.digest, text=text, applied=now_ms, keys=kept or UNSET)
        envelope = self._signer.sign(PAYLOAD_TYPE, canonical(version))
        self._rows.add(number, policy.digest, envelope, now_ms)
        return version, policy

    def versions(self) -> list[Version]:
        """Return every version, the oldest first, each verified.

        Raises:
            IntegrityError: a version is missing, changed or out of place.
        """
        return [self._open(row, place + 1) for place, row in enumerate(self._rows.read())]

    def current(self, at_least: int = 0) -> tuple[int, Policy]:
        """Return the number and the policy in force; number 0 denies everything.

        Args:
            at_least: the highest number that the caller knows to have been applied.

        Raises:
            IntegrityError: the newest version is older than that, or damaged.
        """
        versions = self.versions()
        if len(versions) < at_least:
            raise IntegrityError(detail=f"policy {at_least} was applied and is gone")
        if not versions:
            return 0, denies_everything()
        newest = versions[-1]
        try:
            policy = compile_text(newest.text, newest.keys or NO_KEYS)
        except PolicyError as error:
            raise IntegrityError(detail=f"policy {newest.number} no longer compiles: {error}") from None
        if policy.digest != newest.digest:
            raise IntegrityError(detail=f"policy {newest.number} compiles to another digest than was signed")
        return newest.number, policy

    def _open(self, row: PolicyRow, expected: int) -> Version:
        payload = self._signer.verify(PAYLOAD_TYPE, row.envelope)
        try:
            version = msgspec.json.decode(payload, type=Version)
        except msgspec.DecodeError:
            raise IntegrityError(detail="a signed policy is malformed") from None
        if (version.number, version.digest, version.applied) != (expected, row.digest, row.applied):
            raise IntegrityError(detail=f"policy {expected} is not the one that was signed")
        return version
