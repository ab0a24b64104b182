"""`jupyter secure seal`: encrypt a table, with tags that a person has confirmed.

Steps: read the file, suggest a tag for every column that got none with `--tag`, let the person confirm, unlock, seal,
print what the policy needs. With `--append` the rows come after those of the newest version, whose tags stay; nothing
that is sealed already is written again. Nothing is tagged silently: `--yes` accepts the suggestions and says so;
without a terminal and without `--yes` only `--tag` counts. A column that ends without a tag is sealed, denied, and
named.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any, get_args

from jupyter_secure.broker.keeping import append, columns_of
from jupyter_secure.broker.sealed.source import Source, open_source, sample
from jupyter_secure.broker.sealed.tags import Suggestion, suggest
from jupyter_secure.protocol.dataset import DatasetVersion, Measure, Tag
from jupyter_secure.protocol.errors import InvalidRequestError, RefusedError

from . import tables
from .asking import confirm, interactive
from .vault import acting_person, open_vault

Tags = dict[str, Tag | None]
CHOICES = ", ".join(tag.value for tag in Tag)


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `seal`."""
    parser = subparsers.add_parser("seal", parents=[common], help="encrypt a table into the vault")
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="CSV, Parquet, Feather, JSON lines, or a folder of Parquet files"
    )
    parser.add_argument("--name", required=True, help="the dataset's name")
    parser.add_argument(
        "--tag", action="append", default=[], metavar="COLUMN=TAG", help=f"tag a column: {CHOICES}, or none"
    )
    parser.add_argument("--append", action="store_true", help="add the rows to those of the newest version")
    parser.add_argument(
        "--version", type=int, metavar="NUMBER", help="seal nothing unless this is the number of the new version"
    )
    parser.add_argument(
        "--measure",
        choices=get_args(Measure),
        help="how private answers are paid for: zcdp serves many questions (default), pure a few precise ones; all "
        "versions have that of the first",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Seal one file or folder as the next version of a dataset."""
    if args.append:
        if args.measure is not None:
            raise InvalidRequestError("All versions have the measure of the first: leave --measure away.")
        return _append(args)
    # A vault that is not there, or cannot be entered, is said before anybody confirms thirty columns.
    open_vault(args, unlock=False).close()
    source = open_source(args.file)
    given = parse_tags(args.tag, source.schema.names)
    tags, how = _confirmed(args, source, given)
    with open_vault(args) as vault:
        version = vault.seal(source, args.name, tags, acting_person(), args.version, args.measure)
    return _tell(args, version, how)


def _append(args: argparse.Namespace) -> int:
    with open_vault(args) as vault:
        if args.name not in vault.catalog.names():
            raise RefusedError("There is no sealed dataset of that name to add to. Leave --append away.")
        source = open_source(args.file, columns_of(vault, args.name))
        tags = parse_tags(args.tag, source.schema.names)
        version = append(vault, source, args.name, tags, acting_person(), args.version)
    return _tell(args, version, "The tags of the version before count, but where --tag gave another.")


def _tell(args: argparse.Namespace, version: DatasetVersion, how: str) -> int:
    if args.json:
        print(json.dumps(_summary(version, how)))
    else:
        _print(version, how)
    return 0


def parse_tags(given: list[str], columns: list[str]) -> Tags:
    """Read `COLUMN=TAG` arguments; `none` leaves a column denied on purpose.

    Raises:
        InvalidRequestError: one is not of that form, or names no column.
    """
    tags: Tags = {}
    for text in given:
        column, _, word = text.rpartition("=")
        if column not in columns:
            raise InvalidRequestError(f"`--tag {text}` names no column of the file. Nothing was sealed.")
        if word not in {*Tag, "none"}:
            raise InvalidRequestError(f"`--tag {text}`: a tag is one of {CHOICES}, or none. Nothing was sealed.")
        tags[column] = None if word == "none" else Tag(word)
    return tags


def _confirmed(args: argparse.Namespace, source: Source, given: Tags) -> tuple[Tags, str]:
    """Return the tags that count, and a sentence on who confirmed them."""
    open_ones = [it for it in suggest(sample(source)) if it.column not in given]
    suggested: Tags = {it.column: it.tag for it in open_ones}
    if not open_ones:
        return given, "All tags were given on the command line."
    if args.yes:
        return {**suggested, **given}, "Suggested tags were accepted unseen (--yes). Check them."
    if not interactive(args):
        return given, "Only tags from the command line count; nobody was there to confirm the suggestions."
    tables.show(("column", "type", "suggested tag", "because"), [_row(it) for it in open_ones])
    if confirm("Are all of these right?"):
        return {**suggested, **given}, "You confirmed the suggested tags."
    return {**{it.column: _ask(it) for it in open_ones}, **given}, "You chose every tag."


def _row(it: Suggestion) -> tuple[str, str, str, str]:
    return it.column, it.type, it.tag or "-", it.reason


def _ask(it: Suggestion) -> Tag | None:
    while True:
        answer = input(f"{it.column}: {CHOICES}, or none [{it.tag or 'none'}] ").strip().lower() or it.tag or "none"
        if answer == "none":
            return None
        if answer in set(Tag):
            return Tag(answer)
        print(f"`{answer}` is no tag.")


def stanza(version: DatasetVersion) -> str:
    """Return the part of a policy that declares a dataset's tags."""
    lines = [f"[dataset.{version.name}.tags]"]
    lines += [f'{_key(column.name)} = "{column.tag}"' for column in version.columns if column.tag]
    return "\n".join(lines)


def _key(name: str) -> str:
    # A TOML bare key, or a basic string; column names hold no control characters.
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _denied(version: DatasetVersion) -> list[str]:
    return [column.name for column in version.columns if column.tag is None]


def _summary(version: DatasetVersion, how: str) -> dict[str, Any]:
    return {
        "dataset": version.name,
        "version": version.version,
        "digest": version.digest,
        "rows": version.rows,
        "tags": {column.name: column.tag for column in version.columns},
        "denied": _denied(version),
        "measure": version.measure,
        "tagging": how,
        "stanza": stanza(version),
    }


def _print(version: DatasetVersion, how: str) -> None:
    print(f"Sealed {version.name} version {version.version}: {version.rows:,} rows, {len(version.columns)} columns.")
    print(how)
    if denied := _denied(version):
        print(f"Without a tag, hence denied to everybody: {', '.join(denied)}.")
    print("The original file is still there and still readable; delete it when you no longer need it.")
    print("\nFor the policy file:\n")
    print(stanza(version))
