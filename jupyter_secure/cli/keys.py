"""`jupyter secure keys`: rotate the keys of datasets, change the passphrase, list what keys there are.

A rotation replaces a dataset's key and wraps its data keys anew; the encrypted files stay as they are, and brokers that
run go on reading. A new passphrase wraps the root key anew and nothing else. With `--password-stdin` the passphrase is
the first line of standard input, the new one the second.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
from typing import Any

import msgspec

from jupyter_secure.broker.keeping import rotate_keys
from jupyter_secure.broker.keys import keyring
from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError, RefusedError

from . import tables
from .asking import read_new_secret, read_secret
from .vault import acting_person, open_vault


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `keys rotate | passphrase | list`."""
    parser = subparsers.add_parser("keys", help="rotate and list keys, change the passphrase")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    rotate = verbs.add_parser("rotate", parents=[common], help="give datasets new keys; destroy the old ones")
    rotate.add_argument("name", nargs="?", metavar="DATASET")
    rotate.add_argument("--all", action="store_true", help="every dataset, one after the other")
    rotate.set_defaults(run=run_rotate)
    passphrase = verbs.add_parser("passphrase", parents=[common], help="change the vault's passphrase")
    passphrase.set_defaults(run=run_passphrase)
    listing = verbs.add_parser("list", parents=[common], help="list the datasets' keys; needs no passphrase")
    listing.set_defaults(run=run_list)


def run_rotate(args: argparse.Namespace) -> int:
    """Rotate the key of one dataset or of all."""
    if (args.name is None) != args.all:
        raise InvalidRequestError("Name one dataset, or say --all. Nothing was changed.")
    with open_vault(args) as vault:
        known = vault.catalog.names()
        if args.name is not None and args.name not in known:
            raise RefusedError("There is no sealed dataset of that name. `jupyter secure datasets` lists them.")
        done = [rotate_keys(vault, name, acting_person()) for name in (known if args.all else (args.name,))]
    if args.json:
        print(msgspec.json.encode(done).decode())
        return 0
    for it in done:
        print(f"{it.dataset} has key {it.generation}; the one before is destroyed; entry {it.entry} of the log.")
    if not done:
        print("Nothing is sealed yet, so there is no key to rotate.")
    if not all(it.scrubbed for it in done):
        print("A reader of the store put off overwriting an old key: the next rotation or shredding does it.")
    return 0


def run_passphrase(args: argparse.Namespace) -> int:
    """Change the passphrase; a keyring that remembered the old one remembers the new one."""
    with open_vault(args, unlock=False) as vault:
        old = read_secret(args, "passphrase")
        new = read_new_secret(args, "passphrase")
        vault.change_passphrase(old, new, acting_person())
        with contextlib.suppress(InstallationError):  # no keyring is the ordinary case on a server
            if keyring.recall(vault.id) is not None:
                keyring.remember(vault.id, new)
    if args.json:
        print(json.dumps({"changed": True}))
    else:
        print(
            "The passphrase is changed. Backups of `vault.json` from before still open with the old one: destroy them."
        )
    return 0


def run_list(args: argparse.Namespace) -> int:
    """List the key of every dataset, by generation."""
    with open_vault(args, unlock=False) as vault:
        sheets = vault.catalog.sheets
        found: list[dict[str, Any]] = [
            {"dataset": name, "generation": sheets.generation(name), "state": "in use"}
            for name in vault.catalog.names()
        ]
        for name, at in sorted(vault.catalog.destroyed().items()):
            day = dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%d")
            found.append({"dataset": name, "generation": sheets.generation(name), "state": f"destroyed on {day}"})
    if args.json:
        print(json.dumps(found))
    elif not found:
        print("Nothing is sealed yet, so no dataset has a key.")
    else:
        tables.show(("dataset", "generation", "state"), [tuple(it.values()) for it in found])
    return 0
