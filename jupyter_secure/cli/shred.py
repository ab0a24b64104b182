"""`jupyter secure shred`: destroy a dataset for good, by destroying its key.

Every version becomes unreadable, also in backups of the files made before, as far as the store's backups are gone or
the passphrase is. Its name is not given to other data. The log keeps who did it. A damaged dataset can be destroyed
too, and the same command again completes what was cut short.
"""

from __future__ import annotations

import argparse
import datetime as dt
from typing import Any

import msgspec

from jupyter_secure.broker.keeping import shred
from jupyter_secure.protocol.errors import RefusedError

from .asking import typed_again
from .vault import acting_person, open_vault


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `shred`."""
    parser = subparsers.add_parser("shred", parents=[common], help="destroy a dataset for good, with its key")
    parser.add_argument("name", metavar="NAME", help="the dataset; all of its versions go")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Destroy after the name was typed again, or with `--yes`."""
    with open_vault(args) as vault:
        if not vault.catalog.versions(args.name):
            raise RefusedError("There is no sealed dataset of that name. `jupyter secure datasets` lists them.")
        if not args.yes:
            typed_again(args, args.name, "Every version of it will be unreadable for ever.")
        gone = shred(vault, args.name, acting_person())
    if args.json:
        print(msgspec.json.encode(gone).decode())
        return 0
    moment = dt.datetime.fromtimestamp(gone.destroyed_at / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    print(f"{gone.dataset} was destroyed on {moment}, {len(gone.versions)} versions; entry {gone.entry} of the log.")
    print("Brokers that run refuse it from now on; restart them, so that they forget its key too.")
    if not gone.scrubbed:
        print("A reader of the store put off overwriting the old key: type the same command again in a while.")
    return 0
