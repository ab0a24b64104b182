"""`jupyter secure`: the owner's command.

Promises: each subcommand lives in a module of its own; each that asks can be driven without a terminal; an error is one
sentence on standard error (or one JSON object with `--json`) and exit status 1, a wrong call exit status 2; no
traceback shows a cell, a key or a path of the vault.

Steps: build the parser from the subcommands, run the chosen one, turn an error of the family into its sentence.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence

from jupyter_secure._version import __version__
from jupyter_secure.protocol.errors import SecureError

SUBCOMMANDS = (
    "init",
    "seal",
    "datasets",
    "verify",
    "shred",
    "cache",
    "keys",
    "subject",
    "user",
    "policy",
    "budget",
    "masks",
    "requests",
    "audit",
    "migrate",
    "doctor",
    "attack",
    "demo",
    "serve",
)


def parser() -> argparse.ArgumentParser:
    """Return the whole command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--vault", metavar="PATH", help="the vault's folder (default: ~/.local/share/jupyter-secure/vault)"
    )
    common.add_argument("--json", action="store_true", help="print JSON for programs")
    common.add_argument("--yes", action="store_true", help="answer every question with its safe default")
    common.add_argument(
        "--password-stdin", action="store_true", help="read the passphrase from standard input, not the terminal"
    )
    root = argparse.ArgumentParser(prog="jupyter secure", description="Sensitive data in ordinary notebooks.")
    root.add_argument("--version", action="version", version=__version__)
    subparsers = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in SUBCOMMANDS:
        importlib.import_module(f"jupyter_secure.cli.{name}").add_parser(subparsers, common)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except SecureError as error:
        _complain(error, as_json=args.json)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Nothing was left half done.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _complain(error: SecureError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": {"code": error.code, "public": error.public}}))
    else:
        print(error.public, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
