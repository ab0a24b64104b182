"""Keys held by OpenBao's or Vault's transit engine: the root never leaves the service.

`transit:https://bao.example.org:8200/transit/NAME`: address, mount and name of a key. The secret is a token that may
encrypt and decrypt with it; where there is no such key yet and the token may make one, it is made: derived, not
exportable. The context of each wrapped key is what the service derives from, because a ciphertext with associated data
cannot be wrapped anew when the service rotates its key. Plain HTTP is for a service on this computer alone.

Source: Vault API, Transit secrets engine (encrypt, decrypt, `derived`).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import hvac
import requests
from hvac import exceptions as refusals

from jupyter_secure.protocol.errors import IntegrityError, InvalidRequestError, LockedError, UnlockError

from .provider import Context, Openers, Settings, Wrapped, register

TIMEOUT = 5  # seconds
AWAY = "The key service does not answer or is sealed, so no key can be opened. Nothing was changed; try again later."
REFUSED = "The key service refuses the token for this key. Unlock with one that is good."


class TransitProvider:
    """One key of a transit engine."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = dict(settings)
        self._mount, self._key = str(settings["mount"]), str(settings["key"])
        self._client: Any = hvac.Client(url=str(settings["address"]), token=token, timeout=TIMEOUT)

    @classmethod
    def create(cls, uri: str, token: str) -> Self:
        """Take the key that the URI names, or make it.

        Raises:
            InvalidRequestError: the URI is not one, or the key is one that could be exported or has no derivation.
            UnlockError: the token is refused.
            LockedError: the service does not answer.
        """
        provider = cls(_settings(uri), token)
        with _said(UnlockError):
            provider._ensure()
        provider.health()
        return provider

    @classmethod
    def open(cls, settings: Settings, token: str) -> Self:
        """Open the provider of an existing vault.

        Raises:
            UnlockError: the token is refused.
            LockedError: the service does not answer.
            IntegrityError: the settings are not ones that `create` writes.
        """
        if not {"address", "mount", "key"} <= settings.keys():
            raise IntegrityError(detail="the vault's transit settings are incomplete")
        provider = cls(settings, token)
        with _said(UnlockError):
            provider._encrypt(bytes(32), b"probe")
        return provider

    @property
    def uri(self) -> str:
        """Name address, mount and key."""
        return f"transit:{self._settings['address']}/{self._mount}/{self._key}"

    @property
    def settings(self) -> Settings:
        """Return address, mount and key."""
        return dict(self._settings)

    def wrap(self, key: bytes, context: Context) -> Wrapped:
        """See `KeyProvider.wrap`."""
        with _said(LockedError):
            ciphertext = self._encrypt(key, context.associated())
        version = ciphertext.split(":")[1].removeprefix("v")
        return Wrapped(
            provider=self.uri, key_id=self._key, key_version=int(version), ciphertext=ciphertext.encode("ascii")
        )

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """See `KeyProvider.unwrap`."""
        if wrapped.provider != self.uri:
            raise IntegrityError(detail="a key was wrapped by another provider")
        with _said(LockedError):
            try:
                text = wrapped.ciphertext.decode("ascii")
                answer = self._engine().decrypt_data(
                    name=self._key, ciphertext=text, context=_text(context.associated()), mount_point=self._mount
                )
                return base64.b64decode(answer["data"]["plaintext"], validate=True)
            except (UnicodeDecodeError, binascii.Error, refusals.InvalidRequest):
                raise IntegrityError(detail=f"key {context.purpose}/{context.name} does not open") from None

    def destroy(self) -> None:
        """Delete the key at the service, as far as the token may, and forget the token."""
        with _said(LockedError):
            self._engine().update_key_configuration(name=self._key, deletion_allowed=True, mount_point=self._mount)
            self._engine().delete_key(name=self._key, mount_point=self._mount)
        self._client = None

    def health(self) -> None:
        """See `KeyProvider.health`."""
        with _said(LockedError):
            self._encrypt(bytes(32), b"probe")

    def _ensure(self) -> None:
        try:
            found = self._engine().read_key(name=self._key, mount_point=self._mount)["data"]
        except refusals.InvalidPath:
            self._engine().create_key(
                name=self._key, derived=True, exportable=False, key_type="aes256-gcm96", mount_point=self._mount
            )
            return
        if not found["derived"] or found["exportable"] or found.get("convergent_encryption"):
            raise InvalidRequestError(
                "That key is exportable, convergent or not derived. Name another; nothing was changed."
            )

    def _encrypt(self, key: bytes, associated: bytes) -> str:
        answer = self._engine().encrypt_data(
            name=self._key, plaintext=_text(key), context=_text(associated), mount_point=self._mount
        )
        return str(answer["data"]["ciphertext"])

    def _engine(self) -> Any:
        if self._client is None:
            raise LockedError
        return self._client.secrets.transit


@contextmanager
def _said(refused: type[UnlockError | LockedError]) -> Iterator[None]:
    # What the service says may quote what was sent, so only the class of it is kept.
    try:
        yield
    except (refusals.Forbidden, refusals.Unauthorized, refusals.InvalidPath) as error:
        raise refused(REFUSED, detail=type(error).__name__) from None
    except (refusals.VaultError, requests.RequestException) as error:
        raise LockedError(AWAY, detail=type(error).__name__) from None


def _settings(uri: str) -> Settings:
    found = urllib.parse.urlsplit(uri.partition(":")[2])
    mount, _, key = found.path.strip("/").rpartition("/")
    if found.scheme not in ("http", "https") or not found.hostname or found.username or not (mount and key):
        raise InvalidRequestError("Write the key as transit:https://HOST:PORT/MOUNT/NAME, without a token in it.")
    if found.scheme == "http" and not _here(found.hostname):
        raise InvalidRequestError("A key service on another computer is spoken to over https alone.")
    return {"address": f"{found.scheme}://{found.netloc}", "mount": mount, "key": key}


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


register("transit", Openers(TransitProvider.create, TransitProvider.open))
