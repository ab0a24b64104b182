"""`jupyter secure audit verify | show`: the audit log, offline and without a passphrase.

Both only read, and work on a copy of the vault's folder. Exit status of `verify`: 0 the log verifies, 1 it does not,
2 the call was wrong.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_secure.protocol.errors import InputFileError, InvalidRequestError
from jupyter_secure.protocol.record import Entry, Kind

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from jupyter_secure.broker.audit.report import Report
    from jupyter_secure.broker.store.folder import VaultFolder

_UNANCHORED = (
    "No remembered checkpoint lies beside the database, so it cannot be told whether the end of the log was cut off. "
    "Give one that was kept elsewhere with `--checkpoint`."
)


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Register `audit` with its two verbs."""
    audit = subparsers.add_parser("audit", help="read and verify the audit log")
    verbs = audit.add_subparsers(dest="verb", required=True, metavar="VERB")
    verify = verbs.add_parser("verify", parents=[common], help="find any change of the log")
    verify.add_argument("--checkpoint", metavar="FILE", help="a checkpoint that was kept elsewhere, to compare with")
    verify.add_argument("--key", metavar="BASE64", help="the log's public key, if the vault's own word is not enough")
    verify.set_defaults(run=run_verify)
    show = verbs.add_parser("show", parents=[common], help="print entries, newest first")
    show.add_argument("--notebook", metavar="PATH", help="only of this notebook")
    show.add_argument("--user", metavar="NAME", help="only of this person")
    show.add_argument("--dataset", metavar="NAME", help="only about this dataset")
    show.add_argument("--kind", action="append", choices=[kind.value for kind in Kind], help="only of this kind")
    show.add_argument("--before", type=int, metavar="NUMBER", help="only entries before this one")
    show.add_argument("--limit", type=int, default=50, metavar="COUNT", help="at most so many (default: 50; 0: all)")
    show.set_defaults(run=run_show)


def run_verify(args: argparse.Namespace) -> int:
    """Verify, print what was found, return 0 or 1."""
    from jupyter_secure.broker.audit.verify import verify

    with _opened(args) as (folder, engine):
        key = _key(args.key or folder.read_config().get("log_key"))
        notes = [_read(folder.checkpoint_path)] if folder.checkpoint_path.exists() else []
        notes += [_read(Path(args.checkpoint))] if args.checkpoint else []
        report = verify(engine, key, *notes)
    good = report.verified and (report.anchored or report.signed == 0)
    if args.json:
        _print_json(report, good=good, key=key)
    else:
        _print_report(report, key=key)
    return 0 if good else 1


def run_show(args: argparse.Namespace) -> int:
    """Print a page of entries."""
    from jupyter_secure.broker.audit.reading import select_entries

    with _opened(args) as (_, engine):
        entries = select_entries(
            engine,
            notebook=args.notebook,
            user=args.user,
            dataset=args.dataset,
            kinds=[Kind(kind) for kind in args.kind or ()],
            before=args.before,
            limit=args.limit or None,
        )
    if args.json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(entries), indent=2))
    else:
        _print_table(("no", "time", "what", "outcome", "who", "notebook", "data"), [_line(entry) for entry in entries])
    return 0


@contextmanager
def _opened(args: argparse.Namespace) -> Iterator[tuple[VaultFolder, Engine]]:
    from jupyter_secure.broker.store.database import open_read_only
    from jupyter_secure.broker.store.folder import VaultFolder, vault_path

    folder = VaultFolder(vault_path(args.vault), copy=True)
    engine = open_read_only(folder.readable)
    try:
        yield folder, engine
    finally:
        engine.dispose()


def _key(text: object) -> bytes:
    try:
        key = base64.b64decode(str(text), validate=True) if text else b""
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise InvalidRequestError("The log's public key is missing or malformed. Give the right one with `--key`.")
    return key


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError("The checkpoint cannot be read.", detail=type(error).__name__) from None


def _print_json(report: Report, *, good: bool, key: bytes) -> None:
    import msgspec

    found = {"verified": good, "key": base64.b64encode(key).decode(), **msgspec.to_builtins(report)}
    print(json.dumps(found, indent=2))


def _print_report(report: Report, *, key: bytes) -> None:
    print(f"entries    {report.entries}")
    print(f"signed     {report.signed}")
    print(f"erased     {report.erased}")
    print(f"root       {report.root}")
    print(f"log key    {base64.b64encode(key).decode()}")
    for problem in report.problems:
        print(f"{problem.finding.value}: {problem.sentence}", file=sys.stderr)
    if not report.anchored and report.signed:
        print(f"unanchored: {_UNANCHORED}", file=sys.stderr)
    elif report.verified:
        print("The log verifies.")
    else:
        print("The log does not verify.", file=sys.stderr)


def _line(entry: Entry) -> tuple[str, ...]:
    header, personal = entry.header, entry.personal
    time = datetime.fromtimestamp(header.time / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    data = f"{header.dataset} v{header.version}" if header.version is not None else header.dataset or ""
    who, notebook = ("(erased)", "(erased)") if personal is None else (personal.user or "", personal.notebook or "")
    data = f"{data} {header.rung}" if header.rung else data
    what = f"{header.kind.value} (price)" if "preview" in header.extra else header.kind.value
    return (str(entry.seq), time, what, header.outcome, who, notebook, data)


def _print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    shown = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *shown, strict=True)]
    for row in (titles, *shown):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _printable(cell: str) -> str:
    # A notebook's name must not be able to move the cursor of whoever reads the log.
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cell)
