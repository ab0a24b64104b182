"""Opening the vault that the command line names: the one way into it for every command.

The passphrase comes from standard input (`--password-stdin`), else from the operating system's keyring if it was
remembered there, else from the terminal.
"""

from __future__ import annotations

import argparse
import contextlib
import os

from jupyter_secure.broker.keys import keyring
from jupyter_secure.broker.store.folder import vault_path
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.errors import InstallationError, SecureError
from jupyter_secure.protocol.record import Personal

from .asking import read_secret


def open_vault(args: argparse.Namespace, *, unlock: bool = True) -> Vault:
    """Open the vault; the caller closes it.

    Raises:
        InstallationError: there is none.
        UnlockError: the passphrase is another one.
    """
    vault = Vault.open_locked(vault_path(args.vault))
    if unlock:
        try:
            _unlock(args, vault)
        except BaseException:
            vault.close()
            raise
    return vault


def _unlock(args: argparse.Namespace, vault: Vault) -> None:
    if not vault.asks:
        vault.unlock("")
        return
    remembered = None if args.password_stdin else _recall(vault)
    if remembered is not None:
        with contextlib.suppress(SecureError):
            vault.unlock(remembered)
            return
    vault.unlock(read_secret(args, vault.asks))


def _recall(vault: Vault) -> str | None:
    # No keyring is the ordinary case on a server; the terminal is then asked.
    try:
        return keyring.recall(vault.id)
    except InstallationError:
        return None


def acting_person() -> Personal:
    """Return who runs the command, for the log: the operating system's user, since no account has logged in."""
    import pwd

    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Personal(note=f"command line, system user {name}")
