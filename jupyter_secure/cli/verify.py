"""`jupyter secure verify`: check every part of every sealed version.

With the passphrase every row is decrypted; without it signatures, versions and the digest of every file are checked,
which finds any change too. What was done is always said.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec

from jupyter_secure.broker.sealed.check import Report, check_all
from jupyter_secure.protocol.errors import RefusedError

from .vault import open_vault


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `verify`."""
    parser = subparsers.add_parser("verify", parents=[common], help="check that sealed data is what was sealed")
    parser.add_argument("name", nargs="?", metavar="NAME", help="one dataset (default: all)")
    parser.add_argument("--locked", action="store_true", help="do not ask for the passphrase; compare digests only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Return 0 if everything is sound, else 1."""
    unlock = not args.locked and (args.password_stdin or sys.stdin.isatty())
    with open_vault(args, unlock=unlock) as vault:
        if args.name is not None and args.name not in vault.catalog.names():
            raise RefusedError("There is no sealed dataset of that name. `jupyter secure datasets` lists them.")
        reports = check_all(vault.catalog, vault.keychain, args.name)
    if args.json:
        print(msgspec.json.encode([{**msgspec.to_builtins(it), "sound": it.sound} for it in reports]).decode())
    else:
        for report in reports:
            _print(report)
        if not reports:
            print("Nothing is sealed yet, so there is nothing to check.")
    return int(not all(report.sound for report in reports))


def _print(report: Report) -> None:
    name = f"{report.dataset} version {report.version}"
    if report.sound:
        how = "every row decrypted" if report.decrypted else "signature and digests, without decrypting"
        print(f"{name}: sound ({how}), {report.rows:,} rows.")
        return
    print(f"{name}: NOT what was sealed. It will not be opened; restore it from a backup.")
    for finding in report.findings:
        print(f"  {finding.part or 'manifest.json'}: {finding.sentence}")
