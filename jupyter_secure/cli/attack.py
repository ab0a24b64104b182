"""`jupyter secure attack`: the built-in red team, against this installation.

It makes every attempt of the catalogue behind the walls that kernels get here and prints the verdicts. Exit status 0 if
the level keeps its promise, 1 if an attempt got through that must not, 2 if nothing could be tried.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from jupyter_secure.guard import probe
from jupyter_secure.guard.attempt.attempt import CLASSES
from jupyter_secure.guard.attempt.trial import Result, chosen
from jupyter_secure.guard.attempt.trial import run as try_all
from jupyter_secure.protocol.errors import GuardError
from jupyter_secure.protocol.grant import GuardLevel

LEVELS = ("G3", "G2", "G0")
UNTRIED = 2


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("attack", parents=[common], help="try to get out of a kernel's confinement")
    parser.add_argument("--level", choices=LEVELS, help="walls to try (default: those of kernels here; G0: none)")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="a class or an attempt, such as network or files/ledger",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Try and print; return the exit status."""
    try:
        level, results = _try(args)
    except (GuardError, KeyError, OSError) as error:
        public = _sentence(error)
        print(json.dumps({"error": public}) if args.json else public, file=sys.stderr)
        return UNTRIED
    through = [each for each in results if each.verdict == "reached"]
    if args.json:
        print(json.dumps({"level": level, "attempts": [asdict(each) for each in results]}, indent=2))
    else:
        _tell(level, results)
    return 1 if through and level != GuardLevel.G0 else 0


def _sentence(error: Exception) -> str:
    if isinstance(error, GuardError):
        return error.public
    if isinstance(error, KeyError):
        return f"There is no class or attempt called {error.args[0]}."
    return "The attempts could not be laid out: they need a folder for temporary files and loopback sockets."


def _try(args: argparse.Namespace) -> tuple[GuardLevel, list[Result]]:
    chosen(args.only)
    host = probe.host()
    level = GuardLevel(args.level) if args.level else _usual(host)
    return level, list(try_all(level, host, args.only))


def _usual(host: probe.Host) -> GuardLevel:
    if host.best is None:
        raise GuardError("No walls can be raised on this computer. `jupyter secure doctor` says why.")
    return GuardLevel.G3 if host.bubblewrap.works else GuardLevel.G2


def _tell(level: GuardLevel, results: Iterable[Result]) -> None:
    counted: Counter[str] = Counter()
    last = ""
    for each in results:
        counted[each.verdict] += 1
        if each.kind != last:
            print(f"\n{each.kind}: a kernel {CLASSES[each.kind]}")
            last = each.kind
        print(f"  {each.verdict:9} {each.name:24} {each.does}{f' ({each.instead})' if each.instead else ''}")
    print(f"\n{level}: {', '.join(f'{number} {verdict}' for verdict, number in sorted(counted.items()))}")
