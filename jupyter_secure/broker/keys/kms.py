"""Keys held by AWS KMS: the root never leaves the service.

`kms:REGION/KEY`: the region, and the key's id, ARN or `alias/NAME`. Nothing is typed: who asks is said by the
surroundings, as always with AWS (role of the machine, profile, environment of the broker). The key must exist, be
symmetric and enabled; whoever runs the broker needs `kms:Encrypt`, `kms:Decrypt` and `kms:DescribeKey`. The context of
each wrapped key is KMS's encryption context; it stands in CloudTrail, and names vault, purpose and dataset.

Source: AWS KMS API, Encrypt and Decrypt (`EncryptionContext`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jupyter_secure.protocol.errors import IntegrityError, InvalidRequestError, LockedError

from .provider import Context, Openers, Settings, Wrapped, register

CALLS = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
DAMAGED = ("InvalidCiphertextException", "IncorrectKeyException", "ValidationException")
AWAY = "AWS KMS does not answer, or does not permit this key, so no key can be opened. Nothing was changed."
SYMMETRIC = "SYMMETRIC_DEFAULT"
DAYS = 7  # the fewest after which KMS deletes a key


class KmsProvider:
    """One key of AWS KMS."""

    def __init__(self, settings: Settings) -> None:
        self._settings = dict(settings)
        self._key = str(settings["key"])
        with _said():
            self._client: Any = boto3.client("kms", region_name=str(settings["region"]), config=CALLS)

    @classmethod
    def create(cls, uri: str, _: str) -> Self:
        """Take the key that the URI names.

        Raises:
            InvalidRequestError: the URI is not one, or the key cannot encrypt.
            LockedError: KMS does not answer or does not permit it.
        """
        region, _, key = uri.partition(":")[2].partition("/")
        if not region or not key:
            raise InvalidRequestError(
                "Write the key as kms:REGION/KEY, for example kms:eu-central-1/alias/jupyter-secure."
            )
        provider = cls({"region": region, "key": key})
        with _said():
            found = provider._client.describe_key(KeyId=key)["KeyMetadata"]
        if not (found.get("KeyUsage") == "ENCRYPT_DECRYPT" and found.get("KeySpec") == SYMMETRIC and found["Enabled"]):
            raise InvalidRequestError("That key is disabled, or not one for symmetric encryption. Name another.")
        provider.health()
        return provider

    @classmethod
    def open(cls, settings: Settings, _: str) -> Self:
        """Open the provider of an existing vault.

        Raises:
            LockedError: KMS does not answer or does not permit it.
            IntegrityError: the settings are not ones that `create` writes.
        """
        if not {"region", "key"} <= settings.keys():
            raise IntegrityError(detail="the vault's KMS settings are incomplete")
        provider = cls(settings)
        provider.health()
        return provider

    @property
    def uri(self) -> str:
        """Name region and key."""
        return f"kms:{self._settings['region']}/{self._key}"

    @property
    def settings(self) -> Settings:
        """Return region and key."""
        return dict(self._settings)

    def wrap(self, key: bytes, context: Context) -> Wrapped:
        """See `KeyProvider.wrap`."""
        with _said():
            answer = self._held().encrypt(KeyId=self._key, Plaintext=key, EncryptionContext=_context(context))
        return Wrapped(
            provider=self.uri, key_id=answer["KeyId"], key_version=1, ciphertext=bytes(answer["CiphertextBlob"])
        )

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """See `KeyProvider.unwrap`."""
        if wrapped.provider != self.uri:
            raise IntegrityError(detail="a key was wrapped by another provider")
        with _said():
            try:
                answer = self._held().decrypt(
                    KeyId=self._key, CiphertextBlob=wrapped.ciphertext, EncryptionContext=_context(context)
                )
            except ClientError as error:
                if _code(error) not in DAMAGED:
                    raise
                raise IntegrityError(detail=f"key {context.purpose}/{context.name} does not open") from None
        return bytes(answer["Plaintext"])

    def destroy(self) -> None:
        """Have KMS delete the key, after the shortest time that it permits; it opens nothing from now on."""
        with _said():
            found = self._held().describe_key(KeyId=self._key)["KeyMetadata"]["KeyId"]
            self._client.schedule_key_deletion(KeyId=found, PendingWindowInDays=DAYS)
        self._client = None

    def health(self) -> None:
        """See `KeyProvider.health`."""
        self.wrap(bytes(32), Context(vault="", purpose="probe"))

    def _held(self) -> Any:
        if self._client is None:
            raise LockedError
        return self._client


def _context(context: Context) -> dict[str, str]:
    return {"jupyter-secure": context.associated().decode()}


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise LockedError(AWAY, detail=_code(error)) from None
    except BotoCoreError as error:
        raise LockedError(AWAY, detail=type(error).__name__) from None


register("kms", Openers(KmsProvider.create, KmsProvider.open))
