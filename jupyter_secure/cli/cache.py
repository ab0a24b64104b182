"""`jupyter secure cache`: the masked views that are kept for the next time; list, clear, limit them.

They are encrypted under keys that go with the dataset's own. Nothing is lost with them: a view that is gone is made
again.
"""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from jupyter_secure.broker.cache import clear, entries, limit, restrict
from jupyter_secure.protocol.errors import InvalidRequestError

from . import tables
from .vault import acting_person, open_vault

UNITS = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SIZE = re.compile(r"([0-9]{1,6})([MGT])\Z")


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `cache list | clear | limit`."""
    parser = subparsers.add_parser("cache", help="list, clear and limit the masked views that are kept")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", parents=[common], help="how many are kept of each dataset, and their size")
    listing.set_defaults(run=run_list)
    clearing = verbs.add_parser("clear", parents=[common], help="remove all")
    clearing.set_defaults(run=run_clear)
    limiting = verbs.add_parser("limit", parents=[common], help="say how much may be kept; `off` for nothing")
    limiting.add_argument("size", metavar="SIZE", help="such as 500M or 20G, or off")
    limiting.set_defaults(run=run_limit)


def run_list(args: argparse.Namespace) -> int:
    """List; needs no passphrase."""
    with open_vault(args, unlock=False) as vault:
        found: dict[str, list[int]] = {}
        for path, size in entries(vault.folder.views):
            found.setdefault(path.parent.name, []).append(size)
        most = limit(vault)
    if args.json:
        print(json.dumps({"limit": most, "kept": {name: sum(sizes) for name, sizes in sorted(found.items())}}))
        return 0
    if found:
        rows = [(name, str(len(sizes)), _shown(sum(sizes))) for name, sizes in sorted(found.items())]
        tables.show(("dataset", "views", "size"), rows)
    else:
        print("No view is kept.")
    print(f"At most {_shown(most)} are kept." if most else "Views are not kept here.")
    return 0


def run_clear(args: argparse.Namespace) -> int:
    """Remove all; needs no passphrase."""
    with open_vault(args, unlock=False) as vault:
        number, size = clear(vault, acting_person())
    print(json.dumps({"removed": number}) if args.json else f"{number} views were removed, {_shown(size)}.")
    return 0


def run_limit(args: argparse.Namespace) -> int:
    """Say how much may be kept."""
    found = SIZE.match(args.size)
    if args.size != "off" and not found:
        raise InvalidRequestError("Write a size such as 500M or 20G, or off. Nothing was changed.")
    most = int(found[1]) * UNITS[found[2]] if found else 0
    with open_vault(args, unlock=False) as vault:
        restrict(vault, most, acting_person())
    if args.json:
        print(json.dumps({"limit": most}))
    else:
        print(
            f"At most {_shown(most)} will be kept."
            if most
            else "Views are not kept from now on, and those there are are removed."
        )
    return 0


def _shown(size: int) -> str:
    return f"{size / UNITS['M']:,.0f} MiB"
