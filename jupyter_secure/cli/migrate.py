"""`jupyter secure migrate`: bring a database to the schema of this version.

A vault's own SQLite file migrates by itself. In PostgreSQL the tables belong to a role of their own, which runs this;
the broker's role then gets what it needs (`--grant-to`) and no right to change the log.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.folder import VaultFolder, vault_path


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `migrate`."""
    parser = subparsers.add_parser("migrate", parents=[common], help="bring the database to this version's schema")
    parser.add_argument("--database", metavar="URL", help="connect as the tables' owner (default: as the vault says)")
    parser.add_argument("--grant-to", metavar="ROLE", help="give the broker's database role its rights")
    parser.add_argument("--print", action="store_true", dest="only_print", help="print the SQL and change nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Migrate, or print how."""
    engine = database.open_database(args.database or VaultFolder(vault_path(args.vault)).database_url)
    try:
        if args.only_print:
            print(database.script(engine, args.grant_to), end="")
            return 0
        before = database.revision(engine)
        database.create(engine)
        if args.grant_to:
            database.grant_runtime(engine, args.grant_to)
        after = database.revision(engine)
    finally:
        engine.dispose()
    if args.json:
        print(json.dumps({"before": before, "revision": after, "granted": args.grant_to}))
        return 0
    print(f"The database is at revision {after}" + (", as it was." if before == after else "."))
    if args.grant_to:
        print(f"`{args.grant_to}` may read and add, and change only what the broker has to change.")
    return 0
