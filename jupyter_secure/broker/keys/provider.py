"""Key providers: whoever holds the root key and wraps other keys under it, chosen by the scheme of a URI.

Promises of every provider: a wrapped key opens only under the same context (vault, purpose, name, version), which is
bound in as associated data; a failed unwrap changes nothing; after `destroy` nothing that was wrapped opens again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import msgspec

from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import InstallationError, IntegrityError
from jupyter_secure.protocol.noun import Count, Noun


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


Settings = Mapping[str, str | int]
Opener = Callable[[Settings, str], KeyProvider]
_OPENERS: dict[str, Opener] = {}


def register(scheme: str, opener: Opener) -> None:
    """Let `opener(settings, secret)` open providers whose URI has that scheme."""
    _OPENERS[scheme] = opener


def open_provider(uri: str, settings: Settings, secret: str) -> KeyProvider:
    """Open the provider that a vault names.

    Raises:
        InstallationError: no provider of that scheme is installed.
        UnlockError: the secret does not open it.
    """
    scheme = uri.partition(":")[0]
    opener = _OPENERS.get(scheme)
    if opener is None:
        raise InstallationError("This vault's keys are held by a provider that is not installed here.", detail=scheme)
    return opener(settings, secret)
