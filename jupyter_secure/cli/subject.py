"""`jupyter secure subject`: delete a person from a dataset, and check the certificate of it.

The person is named by what a column has for them. That value is never an argument, which other users of the computer
could see: it is asked for without echo or, with `--password-stdin`, the second line of standard input (after the
passphrase).
"""

from __future__ import annotations

import argparse
import base64
import binascii
import datetime as dt
import json
from pathlib import Path
from typing import Any

import msgspec

from jupyter_secure.broker.deletion import Deleted, delete_person
from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.keys.signing import Verifier
from jupyter_secure.broker.sealed.certificate import Erasure, concerns, open_certificate
from jupyter_secure.protocol.errors import InputFileError, IntegrityError, InvalidRequestError, RefusedError
from jupyter_secure.protocol.record import Entry

from . import tables
from .asking import read_secret, typed_again
from .vault import acting_person, open_vault


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `subject delete | verify`."""
    parser = subparsers.add_parser("subject", help="delete a person from a dataset, check the certificate")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    delete = verbs.add_parser("delete", parents=[common], help="delete a person's rows, and every older version")
    delete.add_argument("name", metavar="DATASET")
    delete.add_argument("--unit", required=True, metavar="COLUMN", help="the column that names the person")
    delete.add_argument("--certificate", type=Path, metavar="FILE", help="where to write it (default: ./erasure-...)")
    delete.set_defaults(run=run_delete)
    verify = verbs.add_parser("verify", parents=[common], help="check a certificate; needs no passphrase")
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.add_argument("--key", metavar="BASE64", help="the vault's public manifest key, instead of the vault")
    verify.add_argument("--person", action="store_true", help="ask for receipt and value, and check that they fit")
    verify.set_defaults(run=run_verify)


def run_delete(args: argparse.Namespace) -> int:
    """Delete one person from one dataset, after its name was typed again or with `--yes`."""
    with open_vault(args) as vault:
        if args.name not in vault.catalog.names():
            raise RefusedError("There is no sealed dataset of that name. `jupyter secure datasets` lists them.")
        value = read_secret(args, "person's value")
        if not args.yes:
            typed_again(args, args.name, "Every version there is now will be unreadable for ever.")
        following = 1 + max(vault.catalog.versions(args.name))
        path = args.certificate or Path(f"erasure-{args.name}-{following}.json")
        with _reserved(path):
            done = delete_person(vault, args.name, args.unit, value, acting_person())
            path.write_bytes(done.certificate)
    if args.json:
        print(json.dumps(_summary(done, path)))
    else:
        _print(done, path)
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Check a certificate with the public key, and against the vault if there is one."""
    try:
        data = args.file.read_bytes()
    except OSError as error:
        raise InputFileError(f"The certificate cannot be read: {error.strerror}.") from None
    erasure, agrees = _with_key(data, args.key) if args.key else _with_vault(args, data)
    fits = None
    if args.person:
        receipt, value = read_secret(args, "receipt"), read_secret(args, "person's value")
        fits = concerns(erasure, value, receipt)
    told = {"erasure": msgspec.to_builtins(erasure), "signed": True, "vault_agrees": agrees, "person_fits": fits}
    print(json.dumps(told) if args.json else _verdict(erasure, agrees, fits))
    return int(agrees is False or fits is False)


def _with_key(data: bytes, key: str) -> tuple[Erasure, bool | None]:
    try:
        public = base64.b64decode(key, validate=True)
    except binascii.Error:
        raise InvalidRequestError("`--key` is the base64 text of 32 bytes, `manifest_key` in `vault.json`.") from None
    return open_certificate(data, Verifier(public)), None


def _with_vault(args: argparse.Namespace, data: bytes) -> tuple[Erasure, bool | None]:
    with open_vault(args, unlock=False) as vault:
        erasure = open_certificate(data, vault.verifier(Purpose.MANIFEST))
        catalog, name = vault.catalog, erasure.dataset
        try:
            known = {it: catalog.signed(name, it).digest for it in catalog.versions(name)}
        except (RefusedError, IntegrityError):
            return erasure, False
        named = all(known.get(it.version) == it.digest for it in (*erasure.erased, erasure.kept))
        return erasure, named and {it.version for it in erasure.erased} <= catalog.sheets.erased(name)


class _reserved:  # noqa: N801  # reads as a word in its with statement
    """A new file for the certificate, made before anything is deleted, and gone if nothing was."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        try:
            self._path.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise InvalidRequestError(
                f"The certificate cannot be written there: {error.strerror}. Name another file with --certificate; "
                "nothing was changed."
            ) from None

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._path.unlink(missing_ok=True)


def _summary(done: Deleted, path: Path) -> dict[str, Any]:
    return {
        "erasure": msgspec.to_builtins(done.erasure),
        "certificate": str(path),
        "receipt": done.receipt,
        "holders": [dict(zip(HEADINGS, _holder(entry), strict=True)) for entry in done.holders],
        "scrubbed": done.scrubbed,
    }


HEADINGS = ("entry", "when", "who", "notebook", "version", "view")


def _holder(entry: Entry) -> tuple[str, ...]:
    who = entry.personal
    return (
        str(entry.seq),
        _moment(entry.header.time),
        (who.user if who else None) or "(erased)",
        (who.notebook if who else None) or "",
        str(entry.header.version or ""),
        entry.header.rung or "",
    )


def _print(done: Deleted, path: Path) -> None:
    it = done.erasure
    print(f"Version {it.kept.version} of {it.dataset} is without that person; versions {_list(it)} cannot be read.")
    print(f"Certificate: {path}. Receipt: {done.receipt}")
    print("Give both to whoever asked for the deletion; the receipt is kept nowhere.")
    if not done.scrubbed:
        print("A reader of the store put off overwriting the old key: `jupyter secure keys rotate` does it.")
    print("Backups from before still hold the person: destroy those of the store.")
    if done.holders:
        print("\nViews of the dataset that were handed out before, and may hold the person in some form:\n")
        tables.show(HEADINGS, [_holder(entry) for entry in done.holders])


def _verdict(erasure: Erasure, agrees: bool | None, fits: bool | None) -> str:
    done = f"on {_moment(erasure.at)} a person was deleted from {erasure.dataset} (entry {erasure.entry} of the log)"
    lines = [
        f"Signed by the vault: {done}.",
        f"Version {erasure.kept.version} is without them, versions {_list(erasure)} cannot be read.",
    ]
    if agrees is not None:
        lines.append("The vault agrees." if agrees else "The vault does NOT agree: it knows these versions otherwise.")
    if fits is not None:
        lines.append("It is about that person." if fits else "It is NOT about that person, or the receipt is another.")
    return "\n".join(lines)


def _list(erasure: Erasure) -> str:
    return ", ".join(str(it.version) for it in erasure.erased)


def _moment(instant: int) -> str:
    return dt.datetime.fromtimestamp(instant / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
