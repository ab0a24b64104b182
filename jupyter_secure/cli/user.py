"""`jupyter secure user`: the accounts of people who log in; needs no passphrase of the vault.

Every change is in the log before it is made. With `--password-stdin` the one line is the new account's password, for
`reset-mfa` that of the steward who resets, and on a second line a recovery code of a steward who has a factor.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import msgspec

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.authn.enrolment import Enrolment
from jupyter_secure.broker.authn.second_factor import SecondFactor
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.principal import Role
from jupyter_secure.protocol.record import Kind, Personal

from . import tables
from .asking import read_new_secret, read_secret
from .vault import acting_person, open_vault


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `user add | list | disable | reset-mfa`."""
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
    reset = verbs.add_parser("reset-mfa", parents=[common], help="take the second factors of somebody who lost them")
    reset.add_argument("name", metavar="NAME")
    reset.add_argument("--by", required=True, metavar="STEWARD", help="the data steward who resets, not NAME")
    reset.set_defaults(run=run_reset_mfa)


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


def run_reset_mfa(args: argparse.Namespace) -> int:
    """Reset the second factors of one person, as a steward who proves to be one."""
    with open_vault(args, unlock=False) as vault:
        steward = _accounts(vault).verify_password(args.by, read_secret(args, f"password of {args.by}"))
        factors = SecondFactor(vault)
        permission = _proved(args, factors) if factors.enrolled(steward.name) else None
        Enrolment(factors).reset(steward, args.name, permission)
    print(json.dumps({"reset": args.name}) if args.json else f"{args.name} has no second factor now and can add one.")
    return 0


def _proved(args: argparse.Namespace, factors: SecondFactor) -> str:
    # A recovery code, because the secrets of apps need the vault's keys and this command does without.
    code = read_secret(args, f"recovery code of {args.by}")
    challenge = factors.challenges.make(args.by, "manage")
    factors.verify(challenge, _about(args.by), code)
    return challenge.id


def _accounts(vault: Vault) -> Accounts:
    return Accounts(vault.engine, vault.now)


def _about(name: str) -> Personal:
    return msgspec.structs.replace(acting_person(), user=name[:63])
