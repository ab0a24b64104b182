"""A person's devices: an app that shows codes, and an authenticator that signs as one in a telephone does.

The authenticator is real in what it signs (ES256, attestation `none`, flags and counter as asked for) and has no
protection at all, so a test can make it lie.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from typing import Any

import cbor2
import pyotp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
ORIGIN = "http://localhost:8888"


class App:
    """Shows the code of a moment.

    Args:
        secret: in base32, as `MfaSecret` tells it.
    """

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret)

    def code(self, now_ms: int, steps: int = 0) -> str:
        """Return the code of a moment in milliseconds since 1970, or of some steps of 30 seconds later."""
        return self._totp.generate_otp(now_ms // 30_000 + steps)


class Authenticator:
    """Holds one passkey. `origin`, `flags` and `counter` are what it will claim."""

    def __init__(self, origin: str = ORIGIN) -> None:
        self.id = os.urandom(32)
        self.origin = origin
        self.flags = PRESENT | VERIFIED
        self.counter = 0
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: str) -> str:
        """Answer `navigator.credentials.create`."""
        asked = json.loads(options)
        public = self._key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(key)
        data = self._data(asked["rp"]["id"], ATTESTED) + attested
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", asked["challenge"])
        return self._answer(clientDataJSON=client, attestationObject=statement)

    def get(self, options: str) -> str:
        """Answer `navigator.credentials.get`."""
        asked = json.loads(options)
        self.counter += 1
        data = self._data(asked["rpId"], 0)
        client = self._client("webauthn.get", asked["challenge"])
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signature)

    def _data(self, party: str, flags: int) -> bytes:
        return hashlib.sha256(party.encode()).digest() + struct.pack(">BI", self.flags | flags, self.counter)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _answer(self, **response: bytes) -> str:
        told: dict[str, Any] = {name: _text(value) for name, value in response.items()}
        number = _text(self.id)
        return json.dumps({"id": number, "rawId": number, "type": "public-key", "response": told})


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
