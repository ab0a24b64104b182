"""`jupyter secure datasets`: what is sealed; needs no passphrase."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from typing import Any

from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.errors import IntegrityError

from . import tables
from .vault import open_vault

HEADINGS = ("dataset", "version", "rows", "columns", "denied", "measure", "sealed", "state")


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `datasets`."""
    parser = subparsers.add_parser("datasets", parents=[common], help="list what is sealed")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the newest version of every dataset; one that is damaged is listed as such, and the status is 1."""
    with open_vault(args, unlock=False) as vault:
        found = [_describe(vault, name) for name in vault.catalog.names()]
        found += [_state(name, f"destroyed on {_moment(at)}") for name, at in sorted(vault.catalog.destroyed().items())]
    if args.json:
        print(json.dumps(found))
    elif not found:
        print("Nothing is sealed yet. `jupyter secure seal FILE --name NAME` seals a table.")
    else:
        tables.show(HEADINGS, [[it[heading] for heading in HEADINGS] for it in found])
    return int(any(it["state"].startswith("damaged") for it in found))


def _describe(vault: Vault, name: str) -> dict[str, Any]:
    try:
        it = vault.catalog.latest(name)
    except IntegrityError:
        return _state(name, "damaged: run `jupyter secure verify`")
    return {
        "dataset": name,
        "version": it.version,
        "rows": it.rows,
        "columns": len(it.columns),
        "denied": sum(column.tag is None for column in it.columns),
        "measure": it.measure,
        "sealed": _moment(it.sealed_at),
        "state": "signed",
    }


def _state(name: str, state: str) -> dict[str, Any]:
    return {"dataset": name, **dict.fromkeys(HEADINGS[1:-1], ""), "state": state}


def _moment(instant: int) -> str:
    return dt.datetime.fromtimestamp(instant / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
