"""`jupyter secure init`: make a vault."""

from __future__ import annotations

import argparse
import json
from typing import Any

from jupyter_secure.broker.keys import keyring
from jupyter_secure.broker.keys.provider import secret_of
from jupyter_secure.broker.store.folder import vault_path
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.errors import InstallationError

from .asking import read_new_secret, read_secret

_KEEP = "Keep the passphrase in a safe place: without it nobody can open the data, and it cannot be reset."


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `init`."""
    parser = subparsers.add_parser("init", parents=[common], help="make a vault")
    parser.add_argument("--keyring", action="store_true", help="remember the passphrase in the system's keyring")
    parser.add_argument(
        "--keys",
        metavar="URI",
        default="passphrase",
        help="who holds the keys: passphrase (default), transit:https://HOST/MOUNT/NAME, pkcs11:MODULE?token=T&key=K, "
        "kms:REGION/KEY",
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        help="keep the store in PostgreSQL: postgresql://ROLE@HOST/NAME, no password",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the vault; a keyring that cannot be used is said and changes nothing about the vault."""
    path = vault_path(args.vault)
    secret = _secret(args)
    with Vault.create(path, secret, args.keys, database_url=args.database) as vault:
        remembered, sentence = _remember(vault.id, secret) if args.keyring else (False, "")
    if args.json:
        print(json.dumps({"vault": str(path), "remembered": remembered}))
        return 0
    print(f"The vault is made: {path}")
    if sentence:
        print(sentence)
    print(
        _KEEP
        if args.keys == "passphrase"
        else f"Its keys are held by {args.keys}: without that nobody can open the data."
    )
    print("Next: `jupyter secure seal FILE --name NAME`, `jupyter secure user add NAME --role ROLE`.")
    return 0


def _secret(args: argparse.Namespace) -> str:
    asked = secret_of(args.keys)
    if not asked:
        return ""
    return read_new_secret(args, asked) if asked == "passphrase" else read_secret(args, asked)


def _remember(vault: str, passphrase: str) -> tuple[bool, str]:
    try:
        keyring.remember(vault, passphrase)
    except InstallationError as error:
        return False, error.public
    return True, "The system's keyring remembers the passphrase."
