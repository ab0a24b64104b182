"""`jupyter secure user`: the accounts of people who log in; needs no passphrase of the vault.

Every change is in the log before it is made. With `--password-stdin` the one line is the new account's password.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import msgspec

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.principal import Role
from jupyter_secure.protocol.record import Kind, Personal

from . import tables
from .asking import read_new_secret
from .vault import acting_person, open_vault


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `user add | list | disable`."""
    parser = subparsers.add_parser("user", help="add, list and disable accounts")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser("add", parents=[common], help="add an account")
    add.add_argument("name", metavar="NAME")
    known = ", ".join(role.value for role in Role)
    add.add_argument("--role", action="append", required=True, metavar="ROLE", help=f"{known}, or one of the policy's")
    add.add_argument("--display-name", default="", metavar="TEXT")
    add.set_defaults(run=run_add)
    listing = verbs.add_parser("list", parents=[common], help="list accounts")
    listing.set_defaults(run=run_list)
    disable = verbs.add_parser("disable", parents=[common], help="end an account; it stays in the log")
    disable.add_argument("name", metavar="NAME")
    disable.set_defaults(run=run_disable)


def run_add(args: argparse.Namespace) -> int:
    """Add one account."""
    with open_vault(args, unlock=False) as vault:
        password = read_new_secret(args, f"password for {args.name}")
        with vault.recorded(Kind.USER_ADDED, _about(args.name)):
            added = _accounts(vault).add(args.name, password, roles=args.role, display_name=args.display_name)
    if args.json:
        print(msgspec.json.encode(added).decode())
    else:
        print(f"{added.name} ({added.display_name}) can log in, as {', '.join(added.roles)}.")
    return 0


def run_list(args: argparse.Namespace) -> int:
    """List all accounts."""
    with open_vault(args, unlock=False) as vault:
        accounts = _accounts(vault).list()
    if args.json:
        print(msgspec.json.encode(accounts).decode())
    else:
        headings = ("name", "display name", "roles", "state")
        rows = [
            (it.name, it.display_name, ", ".join(it.roles), "disabled" if it.disabled else "active") for it in accounts
        ]
        tables.show(headings, rows)
    return 0


def run_disable(args: argparse.Namespace) -> int:
    """Disable one account."""
    with open_vault(args, unlock=False) as vault, vault.recorded(Kind.USER_DISABLED, _about(args.name)):
        _accounts(vault).disable(args.name)
    print(json.dumps({"disabled": args.name}) if args.json else f"{args.name} can no longer log in.")
    return 0


def _accounts(vault: Vault) -> Accounts:
    return Accounts(vault.engine, vault.now)


def _about(name: str) -> Personal:
    return msgspec.structs.replace(acting_person(), user=name[:63])
