"""Keys held by a hardware security module, through PKCS#11: the root is an AES-256 key that never leaves the token.

`pkcs11:/usr/lib/MODULE.so?token=LABEL&key=LABEL`: the module, the token and the key on it; the secret is the user's
PIN. Where the token has no such key yet it is made: sensitive, not extractable. Keys are wrapped by the token itself
with AES-GCM; the context is the associated data.

Source: PKCS#11 v3.0, CKM_AES_GCM, CKA_SENSITIVE, CKA_EXTRACTABLE.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11 import exceptions as refusals

from jupyter_secure.protocol.errors import IntegrityError, InvalidRequestError, LockedError, UnlockError

from .provider import Context, Openers, Settings, Wrapped, register

NONCE = 12
TAG_BITS = 128
AWAY = "The security module or its token is not there, so no key can be opened. Nothing was changed; try again later."
WRONG_PIN = "The token does not take that PIN. Nothing was changed."
LOCKED_PIN = "The token has locked the PIN after wrong ones. Its officer can unlock it."
WRITE_IT = "Write the key as pkcs11:/PATH/MODULE.so?token=LABEL&key=LABEL, without a PIN in it."
DAMAGED = (refusals.GeneralError, refusals.EncryptedDataInvalid, refusals.EncryptedDataLenRange)  # by module
HIDDEN = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True, Attribute.TOKEN: True}


class Pkcs11Provider:
    """One key on one token."""

    def __init__(self, settings: Settings, pin: str) -> None:
        self._settings = dict(settings)
        self._login = _login(str(settings["module"]), str(settings["token"]), pin)
        self._alone, self._session = self._login.alone, self._login.session
        self._key: Any = None

    @classmethod
    def create(cls, uri: str, pin: str) -> Self:
        """Take the key that the URI names, or make it.

        Raises:
            InvalidRequestError: the URI is not one, or the key could leave the token.
            UnlockError: the PIN is another one, or locked.
            LockedError: module or token are not there.
        """
        provider = cls(_settings(uri), pin)
        with provider._alone, _said():
            try:
                provider._key = provider._find()
            except refusals.NoSuchKey:
                label = str(provider._settings["key"])
                provider._key = provider._session.generate_key(
                    KeyType.AES, 256, store=True, label=label, template=HIDDEN
                )
            if provider._key[Attribute.EXTRACTABLE] or not provider._key[Attribute.SENSITIVE]:
                raise InvalidRequestError("That key could leave the token. Name another; nothing was changed.")
        return provider

    @classmethod
    def open(cls, settings: Settings, pin: str) -> Self:
        """Open the provider of an existing vault.

        Raises:
            UnlockError: the PIN is another one, or locked.
            LockedError: module, token or key are not there.
            IntegrityError: the settings are not ones that `create` writes.
        """
        if not {"module", "token", "key"} <= settings.keys():
            raise IntegrityError(detail="the vault's PKCS#11 settings are incomplete")
        provider = cls(settings, pin)
        with provider._alone, _said():
            provider._key = provider._find()
        return provider

    @property
    def uri(self) -> str:
        """Name module, token and key."""
        named = urllib.parse.urlencode({name: self._settings[name] for name in ("token", "key")})
        return f"pkcs11:{self._settings['module']}?{named}"

    @property
    def settings(self) -> Settings:
        """Return module, token and key."""
        return dict(self._settings)

    def wrap(self, key: bytes, context: Context) -> Wrapped:
        """See `KeyProvider.wrap`."""
        nonce = secrets.token_bytes(NONCE)
        with self._alone, _said():
            sealed = self._held().encrypt(key, **_gcm(nonce, context))
        return Wrapped(
            provider=self.uri, key_id=str(self._settings["key"]), key_version=1, ciphertext=nonce + bytes(sealed)
        )

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """See `KeyProvider.unwrap`."""
        nonce, sealed = wrapped.ciphertext[:NONCE], wrapped.ciphertext[NONCE:]
        if wrapped.provider != self.uri or len(sealed) <= TAG_BITS // 8:
            raise IntegrityError(detail="a key was wrapped by another provider")
        with self._alone, _said():
            try:
                return bytes(self._held().decrypt(sealed, **_gcm(nonce, context)))
            except DAMAGED:
                raise IntegrityError(detail=f"key {context.purpose}/{context.name} does not open") from None

    def destroy(self) -> None:
        """Destroy the key on the token."""
        with self._alone, _said():
            self._held().destroy()
            self._key = None

    def health(self) -> None:
        """See `KeyProvider.health`."""
        self.wrap(bytes(32), Context(vault="", purpose="probe"))

    def _find(self) -> Any:
        return self._session.get_key(object_class=ObjectClass.SECRET_KEY, label=str(self._settings["key"]))

    def _held(self) -> Any:
        if self._key is None:
            raise LockedError
        return self._key


class _Login(NamedTuple):
    """A session that is logged in; it does one thing at a time."""

    session: Any
    proof: bytes
    alone: threading.Lock


# A token knows a process as logged in or not, so a second login says nothing about the PIN: it is compared here.
_LOGINS: dict[tuple[str, str], _Login] = {}
_SALT = secrets.token_bytes(32)


def _login(module: str, label: str, pin: str) -> _Login:
    proof = hmac.digest(_SALT, pin.encode(), "sha256")
    known = _LOGINS.get((module, label))
    if known is not None:
        if not hmac.compare_digest(known.proof, proof):
            raise UnlockError(WRONG_PIN)
        return known
    with _said():
        session = pkcs11.lib(module).get_token(token_label=label).open(rw=True, user_pin=pin)
    return _LOGINS.setdefault((module, label), _Login(session, proof, threading.Lock()))


def _gcm(nonce: bytes, context: Context) -> dict[str, Any]:
    return {
        "mechanism": Mechanism.AES_GCM,
        "mechanism_param": GCMParams(nonce, context.associated(), TAG_BITS),
    }


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except refusals.PinLocked:
        raise UnlockError(LOCKED_PIN) from None
    except (refusals.PinIncorrect, refusals.PinInvalid, refusals.PinLenRange):
        raise UnlockError(WRONG_PIN) from None
    except (refusals.PKCS11Error, RuntimeError) as error:  # a module that cannot be loaded is a RuntimeError
        raise LockedError(AWAY, detail=type(error).__name__) from None


def _settings(uri: str) -> Settings:
    found = urllib.parse.urlsplit(uri.partition(":")[2])
    named = dict(urllib.parse.parse_qsl(found.query))
    if not found.path.startswith("/") or named.keys() != {"token", "key"}:
        raise InvalidRequestError(WRITE_IT)
    return {"module": found.path, **named}


register("pkcs11", Openers(Pkcs11Provider.create, Pkcs11Provider.open))
