"""The operating system's keyring as a place to fetch the vault's passphrase from, so that nobody has to type it.

Promises: only keyrings that encrypt at rest and belong to the person's login are used, by an explicit list; a missing,
null or plaintext backend, also one forced by the environment, is refused with a sentence and never fallen back to. The
passphrase is kept under the vault's identifier, never under its path.
"""

from __future__ import annotations

from typing import Any

from jupyter_secure.protocol.errors import InstallationError

SERVICE = "jupyter-secure"
# A list of what is good, because a list of what is bad would let the next plaintext backend through.
ACCEPTED = frozenset(
    f"keyring.backends.{name}" for name in ("SecretService", "libsecret", "kwallet", "macOS", "Windows")
)
CHAIN = "keyring.backends.chainer"
REFUSED = (
    "This computer has no unlocked keyring that stores secrets encrypted, so the passphrase is not remembered. "
    "Type it when you are asked, or start a desktop keyring such as GNOME Keyring or KWallet and try again."
)


def remember(vault: str, passphrase: str) -> None:
    """Keep the passphrase of a vault.

    Raises:
        InstallationError: there is no keyring that may be used, or it refused.
    """
    _call("set_password", vault, passphrase)


def recall(vault: str) -> str | None:
    """Return the passphrase of a vault, None if it was never remembered.

    Raises:
        InstallationError: there is no keyring that may be used, or it refused.
    """
    secret = _call("get_password", vault)
    return None if secret is None else str(secret)


def forget(vault: str) -> None:
    """Remove the passphrase of a vault; one that is not there is no error.

    Raises:
        InstallationError: there is no keyring that may be used, or it refused.
    """
    if recall(vault) is not None:
        _call("delete_password", vault)


def _call(method: str, vault: str, *rest: str) -> Any:
    from keyring.errors import KeyringError

    try:
        return getattr(_backend(), method)(SERVICE, vault, *rest)
    except KeyringError as error:
        raise InstallationError(REFUSED, detail=type(error).__name__) from None


def _backend() -> Any:
    import keyring

    backend = keyring.get_keyring()
    # The chain would ask each of its members in turn, so the first member that may be used is taken out of it.
    members = backend.backends if type(backend).__module__ == CHAIN else [backend]
    for member in members:
        if type(member).__module__ in ACCEPTED:
            return member
    raise InstallationError(REFUSED, detail=f"keyring backend {type(backend).__module__}")
