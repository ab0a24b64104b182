"""Signatures: Ed25519 (RFC 8032) keys, DSSE envelopes, in-toto statements.

An envelope signs the pre-authentication encoding of type and payload (DSSE protocol, v1.0), so a payload of one type
can never be passed off as another. `open_envelope` returns the payload only after the signature has been verified;
nothing parses an unverified payload.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import Literal, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.protocol.noun import Noun

IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"


class Signs(Protocol):
    """What signs: a `Signer`, or something that fetches one when it is first needed."""

    @property
    def public(self) -> bytes:
        """Return the 32-byte public key."""

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature."""


class Signer:
    """An Ed25519 private key in memory."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @staticmethod
    def new_seed() -> bytes:
        """Return 32 fresh bytes to make a signer of."""
        return secrets.token_bytes(32)

    @property
    def public(self) -> bytes:
        """Return the 32-byte public key."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature."""
        return self._key.sign(data)


class Verifier:
    """An Ed25519 public key.

    Raises:
        IntegrityError: the key is not 32 bytes.
    """

    def __init__(self, public: bytes) -> None:
        try:
            self._key = Ed25519PublicKey.from_public_bytes(public)
        except ValueError:
            raise IntegrityError(detail="a public key is malformed") from None
        self.public = public

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return if the signature is good.

        Raises:
            IntegrityError: it is not.
        """
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            raise IntegrityError(detail="a signature does not verify") from None


class Signature(Noun):
    """One signature of an envelope; `keyid` is a hint and is not trusted."""

    keyid: str
    sig: str


class Envelope(Noun, rename={"payload_type": "payloadType"}):
    """A DSSE envelope."""

    payload_type: str
    payload: str
    signatures: tuple[Signature, ...]


class Subject(Noun):
    """What an in-toto statement speaks of."""

    name: str
    digest: dict[str, str]


class Statement(Noun, rename={"kind": "_type", "predicate_type": "predicateType"}):
    """An in-toto Statement v1; the predicate stays raw until its type has been checked."""

    kind: Literal["https://in-toto.io/Statement/v1"]
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: msgspec.Raw


def encode_for_signing(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding `DSSEv1 SP len SP type SP len SP payload`."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(public: bytes) -> str:
    """Return the short name of a public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def seal_envelope(signer: Signs, payload_type: str, payload: bytes) -> bytes:
    """Return the JSON of an envelope with one signature."""
    signature = signer.sign(encode_for_signing(payload_type, payload))
    return msgspec.json.encode(
        Envelope(
            payload_type=payload_type,
            payload=base64.b64encode(payload).decode(),
            signatures=(Signature(keyid=key_id(signer.public), sig=base64.b64encode(signature).decode()),),
        )
    )


def open_envelope(verifier: Verifier, payload_type: str, data: bytes) -> bytes:
    """Return the payload of an envelope that this key signed.

    Raises:
        IntegrityError: it is malformed, of another type, or signed otherwise.
    """
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
        payload = base64.b64decode(envelope.payload, validate=True)
        signatures = [base64.b64decode(item.sig, validate=True) for item in envelope.signatures]
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise IntegrityError(detail="a signed envelope is malformed") from None
    if envelope.payload_type != payload_type or len(signatures) != 1:
        raise IntegrityError(detail="a signed envelope is of another type")
    verifier.verify(signatures[0], encode_for_signing(payload_type, payload))
    return payload


def make_statement(subject: tuple[Subject, ...], predicate_type: str, predicate: object) -> bytes:
    """Return the canonical bytes of an in-toto Statement v1."""
    return canonical(
        {
            "_type": STATEMENT,
            "subject": subject,
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def read_statement(payload: bytes, predicate_type: str) -> Statement:
    """Parse a verified payload.

    Raises:
        IntegrityError: it is not a statement with that kind of predicate.
    """
    try:
        statement = msgspec.json.decode(payload, type=Statement)
    except msgspec.DecodeError as error:
        raise IntegrityError(detail=f"statement: {error}") from None
    if statement.predicate_type != predicate_type:
        raise IntegrityError(detail="a statement has another predicate type")
    return statement
