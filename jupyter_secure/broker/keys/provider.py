"""Key providers: whoever holds the root key and wraps other keys under it, chosen by the scheme of a URI.

Promises of every provider: a wrapped key opens only under the same context (vault, purpose, name, version), which is
bound in; a failed unwrap changes nothing; no error holds a key or a secret; after `destroy` nothing that was wrapped
opens again. `jupyter_secure.testing.keys` checks all of it for any provider.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import InstallationError, IntegrityError
from jupyter_secure.protocol.noun import Count, Noun

Settings = Mapping[str, str | int]


class Context(Noun):
    """What a wrapped key is for; the same key bytes never open under another context.

    Attributes:
        vault: identifier of the vault.
        purpose: for example `dataset` or `log`.
        name: whose key, for example the dataset's name; empty where a purpose has one key.
        version: generation of the named key, from 1.
    """

    vault: str
    purpose: str
    name: str = ""
    version: Count = 1

    def associated(self) -> bytes:
        """Return the canonical bytes that are bound in as associated data."""
        return canonical(self)


class Wrapped(Noun):
    """A key that only its provider opens."""

    provider: str
    key_id: str
    key_version: Count
    ciphertext: bytes

    def encode(self) -> bytes:
        """Return the form that is stored."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, stored: bytes) -> Wrapped:
        """Read the stored form.

        Raises:
            IntegrityError: it is not one.
        """
        try:
            return msgspec.json.decode(stored, type=cls)
        except msgspec.DecodeError as error:
            raise IntegrityError(detail=f"wrapped key: {error}") from None


@runtime_checkable
class KeyProvider(Protocol):
    """Holds a root key, in memory or in a service."""

    @property
    def uri(self) -> str:
        """Say which provider and root this is, without secrets."""

    @property
    def settings(self) -> Settings:
        """Return what opens it again, besides its secret; nothing in it is secret."""

    def wrap(self, key: bytes, context: Context) -> Wrapped:
        """Wrap a key of at most 64 bytes.

        Raises:
            LockedError: the root is not available.
        """

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """Return the key.

        Raises:
            LockedError: the root is not available.
            IntegrityError: it was wrapped elsewhere, under another context, or changed.
        """

    def destroy(self) -> None:
        """Forget the root for good: everything wrapped under it is shredded."""

    def health(self) -> None:
        """Return if the provider can wrap and unwrap now.

        Raises:
            LockedError: it cannot.
        """


class Kind(NamedTuple):
    """One kind of provider.

    Attributes:
        secret: what a person types to open it; empty where the surroundings say who asks (a role of the cloud).
        module: registers it when it is imported.
        extra: of this package, which brings the libraries.
    """

    secret: str
    module: str
    extra: str = ""


KINDS = {
    "passphrase": Kind("passphrase", "passphrase"),
    "transit": Kind("token", "transit", "openbao"),
    "pkcs11": Kind("PIN", "pkcs11", "pkcs11"),
    "kms": Kind("", "kms", "kms"),
}


class Openers(NamedTuple):
    """How providers of a scheme are made and opened.

    Attributes:
        make: of a URI and a secret.
        reopen: of settings and a secret.
    """

    make: Callable[[str, str], KeyProvider]
    reopen: Callable[[Settings, str], KeyProvider]


_OPENERS: dict[str, Openers] = {}


def register(scheme: str, openers: Openers) -> None:
    """Let providers of a scheme be made and opened."""
    _OPENERS[scheme] = openers


def make_provider(uri: str, secret: str) -> KeyProvider:
    """Make the root of a new vault at a provider, or take the one that is there for it.

    Raises:
        InstallationError: no provider of that scheme is installed.
        UnlockError: the secret does not open it.
        InvalidRequestError, LockedError: it cannot be used.
    """
    return _openers(uri).make(uri, secret)


def open_provider(uri: str, settings: Settings, secret: str) -> KeyProvider:
    """Open the provider that a vault names.

    Raises:
        InstallationError: no provider of that scheme is installed.
        UnlockError: the secret does not open it.
        LockedError: it does not answer.
    """
    return _openers(uri).reopen(settings, secret)


def secret_of(uri: str) -> str:
    """Return what a person types to open a provider, empty for nothing."""
    kind = KINDS.get(_scheme(uri))
    return "passphrase" if kind is None else kind.secret


def _scheme(uri: str) -> str:
    return uri.partition(":")[0]


def _openers(uri: str) -> Openers:
    scheme = _scheme(uri)
    kind = KINDS.get(scheme)
    if scheme not in _OPENERS and kind is not None:
        try:
            importlib.import_module(f"{__package__}.{kind.module}")
        except ImportError:
            raise InstallationError(
                f"Keys of that kind need a library that is not installed: `pip install jupyter-secure[{kind.extra}]`."
            ) from None
    if scheme not in _OPENERS:
        raise InstallationError("This vault's keys are held by a provider that is not installed here.", detail=scheme)
    return _OPENERS[scheme]
