"""`jupyter secure budget`: what was spent of the privacy budgets in their lifetime, and renewing them.

A renewal lets everybody spend what policy says once more. It is an act of whoever owns the data, with a reason, and it
weakens what was promised to the people in the data: everything that was ever spent adds up.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import msgspec

from jupyter_secure.broker.dp_terms import Purse, purse_of
from jupyter_secure.broker.keeping import renew_budget
from jupyter_secure.broker.ledger.accountant import epsilon_of
from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.ledger.scope import Scope
from jupyter_secure.broker.policies import Policies
from jupyter_secure.protocol.errors import RefusedError

from . import tables
from .asking import typed_again
from .vault import acting_person, open_vault


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `budget list | renew`."""
    parser = subparsers.add_parser("budget", help="what was spent of the privacy budgets; renew them")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", parents=[common], help="what was spent of each dataset in its lifetime")
    listing.set_defaults(run=run_list)
    renewing = verbs.add_parser("renew", parents=[common], help="let everybody spend what policy says once more")
    renewing.add_argument("name", metavar="DATASET")
    renewing.add_argument("--reason", required=True, help="why; it stands in the log")
    renewing.set_defaults(run=run_renew)


def run_list(args: argparse.Namespace) -> int:
    """List every dataset that has a budget."""
    with open_vault(args) as vault:
        ledger = Ledger(vault.engine)
        declared = Policies(vault).current()[1].datasets
        found = [
            _row(ledger, name, purse_of(declared[name], vault.catalog.latest(name).measure))
            for name in vault.catalog.names()
            if name in declared and declared[name].budget is not None
        ]
    if args.json:
        print(json.dumps(found))
    elif found:
        heads = ("dataset", "spent in its lifetime", "of", "delta", "renewed")
        tables.show(heads, [tuple(map(str, row.values())) for row in found])
    else:
        print("No dataset has a privacy budget.")
    return 0


def _row(ledger: Ledger, name: str, purse: Purse) -> dict[str, Any]:
    spent, cap = ledger.spent(Scope("dataset", name))
    return {
        "dataset": name,
        "spent": epsilon_of(spent, purse.delta),
        "cap": epsilon_of(cap, purse.delta),
        "delta": purse.stated,
        "renewals": ledger.renewals(name),
    }


def run_renew(args: argparse.Namespace) -> int:
    """Renew after the name was typed again, or with `--yes`."""
    with open_vault(args) as vault:
        if args.name not in vault.catalog.names():
            raise RefusedError("There is no sealed dataset of that name. `jupyter secure datasets` lists them.")
        if not args.yes:
            typed_again(args, args.name, "What is spent from now on adds to what was spent before.")
        done = renew_budget(vault, args.name, args.reason, acting_person())
    if args.json:
        print(msgspec.json.encode(done).decode())
        return 0
    times = "once" if done.renewals == 1 else f"{done.renewals} times"
    print(f"The budgets of {done.dataset} were renewed, {times} in all; entry {done.entry} of the log.")
    return 0
