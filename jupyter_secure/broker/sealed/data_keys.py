"""Data keys: one per column and part, wrapped under the dataset's key, and how Parquet encryption gets them.

Arrow makes the data keys and asks a KMS client to wrap each; ours keeps what it saw, so that the manifest can carry
the same keys wrapped once more, bound to dataset, version, part and column. The files themselves stay standard Parquet
Modular Encryption with single wrapping, readable by Spark with the dataset's key.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any

import pyarrow.parquet.encryption as pe
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.protocol.noun import Noun

NONCE = 12
KEY = 32


class Place(Noun):
    """Where a data key belongs; `column` None is the part's footer."""

    dataset: str
    version: int
    part: str
    column: str | None

    def associated(self) -> bytes:
        """Return the canonical bytes bound to the wrapped key."""
        return canonical(self)


def wrap(kek: bytes, key: bytes, place: Place) -> str:
    """Return base64 of nonce, ciphertext and tag under the dataset's key (AES-256-GCM)."""
    return _encrypt(kek, key, place.associated())


def unwrap(kek: bytes, wrapped: str, place: Place) -> bytes:
    """Return a data key.

    Raises:
        IntegrityError: it belongs elsewhere, or was changed.
    """
    return _decrypt(kek, wrapped, place.associated())


def _encrypt(kek: bytes, key: bytes, associated: bytes) -> str:
    nonce = secrets.token_bytes(NONCE)
    return base64.b64encode(nonce + AESGCM(kek).encrypt(nonce, key, associated)).decode()


def _decrypt(kek: bytes, wrapped: str, associated: bytes) -> bytes:
    try:
        raw = base64.b64decode(wrapped, validate=True)
        key = AESGCM(kek).decrypt(raw[:NONCE], raw[NONCE:], associated)
    except (binascii.Error, ValueError, InvalidTag):
        raise IntegrityError(detail="a data key does not open") from None
    if len(key) != KEY:
        raise IntegrityError(detail="a data key is not 256 bits")
    return key


class ColumnKeys(pe.KmsClient):  # type: ignore[misc]  # Arrow comes without types
    """The KMS client of one part. Remembers every key it has seen, because Arrow asks again per column chunk."""

    def __init__(self, kek: bytes) -> None:
        super().__init__()
        self._kek = kek
        self._memo: dict[tuple[str, str], bytes] = {}
        self.seen: dict[str, bytes] = {}

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        """Wrap for the file itself; the master key's name is the associated data, as in parquet-java."""
        self.seen[master_key_identifier] = bytes(key_bytes)
        return _encrypt(self._kek, bytes(key_bytes), master_key_identifier.encode())

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        """Unwrap what `wrap_key` made."""
        asked = (wrapped_key, master_key_identifier)
        if asked not in self._memo:
            self._memo[asked] = _decrypt(self._kek, wrapped_key, master_key_identifier.encode())
        self.seen[master_key_identifier] = self._memo[asked]
        return self._memo[asked]


class GivenKeys(pe.KmsClient):  # type: ignore[misc]  # Arrow comes without types
    """A KMS client that knows the data keys themselves, whoever wrapped them for the file."""

    def __init__(self, footer: bytes, columns: dict[str, bytes]) -> None:
        super().__init__()
        self._keys = {"footer": footer} | {f"column/{name}": key for name, key in columns.items()}

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        """Return the key of that column; the dataset and version of the name are those the part was written for."""
        del wrapped_key
        return self._keys[master_key_identifier.split("/", 2)[2]]


def decryption(client: pe.KmsClient) -> Any:
    """Return properties for a Parquet reader that asks this client."""
    return pe.CryptoFactory(lambda _: client).file_decryption_properties(pe.KmsConnectionConfig())


class PartCipher:
    """The encryption of one part.

    Attributes:
        footer_id, column_ids: names of the master keys, one per column, so that one column can be granted or shredded.
    """

    def __init__(self, kek: bytes, dataset: str, version: int, columns: tuple[str, ...]) -> None:
        self.footer_id = f"{dataset}/{version}/footer"
        self.column_ids = {column: f"{dataset}/{version}/column/{column}" for column in columns}
        self._keys = ColumnKeys(kek)
        self._connection = pe.KmsConnectionConfig()
        self._factory = pe.CryptoFactory(lambda _: self._keys)

    def encryption(self) -> Any:
        """Return properties for a Parquet writer: AES_GCM_V1, 256 bits (Arrow's default is 128), encrypted footer."""
        configuration = pe.EncryptionConfiguration(
            footer_key=self.footer_id,
            column_keys={name: [column] for column, name in self.column_ids.items()},
            encryption_algorithm="AES_GCM_V1",
            plaintext_footer=False,
            double_wrapping=False,
            data_key_length_bits=8 * KEY,
        )
        return self._factory.file_encryption_properties(self._connection, configuration)

    def captured(self) -> tuple[bytes, dict[str, bytes]]:
        """Return the footer's key and each column's key, as far as they have been seen.

        Raises:
            IntegrityError: Arrow made keys of another size or did not make one for each column.
        """
        seen = self._keys.seen
        if any(len(key) != KEY for key in seen.values()):
            raise IntegrityError(detail="Arrow made a data key of another size")
        try:
            return seen[self.footer_id], {column: seen[name] for column, name in self.column_ids.items()}
        except KeyError:
            raise IntegrityError(detail="a column has no key of its own") from None
