"""Verification, offline and without a passphrase: a database, the log's public key, and a remembered checkpoint.

Steps, inside one reading transaction (so the broker may go on writing):
 1. the database still refuses changes
 2. every entry in order: number, leaf hash, commitment, search columns
 3. the stored head against the tree that was built of the entries
 4. every signed checkpoint, the stored ones and the remembered one: signature, then size and root against the tree
What it cannot find: entries that were cut off or made up after the last signed checkpoint (a locked vault signs none),
and a fork by somebody who has the signing key, unless the remembered checkpoint shows it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from jupyter_secure.broker.keys.signing import Verifier
from jupyter_secure.broker.store.tables.audit import AUDIT_CHECKPOINTS, AUDIT_ENTRIES, TRIGGERS
from jupyter_secure.broker.store.triggers import not_in_force
from jupyter_secure.protocol.checkpoint import Checkpoint, parse_checkpoint, parse_note
from jupyter_secure.protocol.errors import InstallationError, IntegrityError, UnavailableError
from jupyter_secure.protocol.record import Kind, Personal
from jupyter_secure.protocol.tlog import EMPTY_ROOT, Frontier

from .entry import commit, decode_header, decode_personal, header_columns, leaf, personal_columns
from .head import StoredHead
from .origin import log_origin
from .report import Finding, Problem, Report

MOST_PROBLEMS = 100
_BATCH = 5_000  # rows fetched at once; memory stays flat
_FIELDS = ("seq", "header", "commitment", "leaf", "salt", "personal", "time", "kind", "dataset", "user", "notebook")
_KEPT = select(AUDIT_CHECKPOINTS.c.size, AUDIT_CHECKPOINTS.c.note).order_by(AUDIT_CHECKPOINTS.c.size)
_ENTRIES = select(*(AUDIT_ENTRIES.c[name] for name in _FIELDS)).order_by(AUDIT_ENTRIES.c.seq)


def verify(engine: Engine, public_key: bytes, *remembered: str) -> Report:
    """Check the whole log.

    Args:
        engine: the store, or a copy of it; only read.
        public_key: the 32-byte Ed25519 key that signs this log's checkpoints.
        remembered: checkpoints that were kept elsewhere, as text.

    Raises:
        IntegrityError: the public key is not a key.
    """
    check = _Check(public_key)
    try:
        with engine.connect() as connection:
            check.run(connection, remembered)
    except (SQLAlchemyError, sqlite3.Error, UnavailableError, InstallationError) as error:
        check.find(Finding.UNREADABLE, f"The database cannot be read further ({type(error).__name__}).")
    return check.report(anchored=bool(remembered))


class _Mismatch(NamedTuple):
    seq: int
    header: str
    commitment: str
    stored: bytes


class _Check:
    """One verification; collects what it finds."""

    def __init__(self, public_key: bytes) -> None:
        self._verifier = Verifier(public_key)
        self._origin = log_origin(public_key)
        self._tree = Frontier()
        self._roots: dict[int, bytes] = {0: EMPTY_ROOT}  # of the sizes that some checkpoint speaks of
        self._wanted: set[int] = set()
        self._mismatches: list[_Mismatch] = []
        self._erased: set[int] = set()
        self._erasures: set[int | None] = set()  # what entries say was erased
        self._signed = 0
        self._damaged_at: int | None = None
        self._problems: list[Problem] = []

    def find(self, finding: Finding, sentence: str, seq: int | None = None) -> None:
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(Problem(finding=finding, sentence=sentence, seq=seq))

    def report(self, *, anchored: bool) -> Report:
        return Report(
            entries=self._tree.size,
            root=self._tree.root().hex(),
            signed=self._signed,
            erased=len(self._erased),
            anchored=anchored,
            problems=tuple(self._problems),
        )

    def run(self, connection: Connection, remembered: tuple[str, ...]) -> None:
        self._check_protection(connection)
        notes = [(f"checkpoint {size}", note) for size, note in connection.execute(_KEPT)]
        head = self._read_head(connection)
        if head is not None and head.note is not None:
            notes.append(("last checkpoint", head.note))
        notes += [("remembered checkpoint", note) for note in remembered]
        checkpoints = [(name, found) for name, note in notes if (found := self._open(name, note)) is not None]
        self._wanted = {found.size for _, found in checkpoints}
        self._check_entries(connection)
        self._check_head(head)
        for name, found in sorted(checkpoints, key=lambda item: item[1].size):
            self._check_checkpoint(name, found)

    def _check_protection(self, connection: Connection) -> None:
        for name in not_in_force(connection, TRIGGERS):
            self.find(Finding.UNPROTECTED, f"The database's own protection `{name}` was removed or changed.")

    def _read_head(self, connection: Connection) -> StoredHead | None:
        try:
            return StoredHead.read(connection)
        except (ValueError, TypeError):
            self.find(Finding.BAD_HEAD, "The log's stored head is damaged.")
            return None

    def _open(self, name: str, note: str) -> Checkpoint | None:
        """Return a checkpoint whose signature is good."""
        try:
            signed = parse_note(note)
            found = parse_checkpoint(signed.text)
        except (ValueError, TypeError):
            self.find(Finding.BAD_SIGNATURE, f"The {name} is not a checkpoint.")
            return None
        if found.origin != self._origin or not signed.signed_by(self._origin, self._verifier.public, self._signature):
            self.find(Finding.BAD_SIGNATURE, f"The {name} was not signed with this log's key.")
            return None
        return found

    def _signature(self, message: bytes, signature: bytes) -> bool:
        try:
            self._verifier.verify(signature, message)
        except IntegrityError:
            return False
        return True

    def _check_entries(self, connection: Connection) -> None:
        rows: Iterable[tuple[Any, ...]] = connection.execution_options(yield_per=_BATCH).execute(_ENTRIES)
        expected = 0
        for row in rows:
            try:
                if row[0] != expected:
                    self._out_of_order(expected, row[0])
                expected = row[0] + 1
                self._check_entry(row)
            except (msgspec.DecodeError, TypeError, ValueError, AttributeError):
                self._damage(Finding.UNREADABLE, f"Entry {row[0]} cannot be read.", row[0])
            if self._tree.size in self._wanted:
                self._roots[self._tree.size] = self._tree.root()
        self._explain_mismatches()
        for seq in sorted(self._erased - self._erasures):
            self.find(Finding.UNLOGGED_ERASURE, f"The personal part of entry {seq} was erased unlogged.", seq)

    def _check_entry(self, row: tuple[Any, ...]) -> None:
        seq, header, commitment, stored, salt, personal, time, kind, dataset, user, notebook = row
        computed = leaf(seq, header, commitment)
        self._tree.add(computed)
        if computed != stored:
            self._mismatches.append(_Mismatch(seq, header, commitment, stored))
        decoded = decode_header(header)
        if decoded.kind is Kind.ENTRY_ERASED:
            self._erasures.add(decoded.reference)
        columns = header_columns(decoded) | self._check_personal(seq, commitment, salt, personal)
        if columns != {"time": time, "kind": kind, "dataset": dataset, "user": user, "notebook": notebook}:
            self.find(Finding.BAD_INDEX, f"The search columns of entry {seq} do not say what the entry says.", seq)

    def _check_personal(self, seq: int, commitment: str, salt: bytes | None, personal: str | None) -> dict[str, Any]:
        """Return what the search columns must say."""
        if salt is None and personal is None:
            self._erased.add(seq)
            return personal_columns(Personal())
        if salt is None or personal is None or commit(salt, personal) != commitment:
            self.find(Finding.BAD_COMMITMENT, f"The personal part of entry {seq} was changed.", seq)
        return personal_columns(decode_personal(personal or "{}"))

    def _out_of_order(self, expected: int, seq: int) -> None:
        if seq > expected:
            which = f"Entry {expected} is" if seq == expected + 1 else f"Entries {expected} to {seq - 1} are"
            self._damage(Finding.MISSING, f"{which} missing.", expected)
        else:
            self._damage(Finding.EDITED, f"There is an entry with the impossible number {seq}.", None)

    def _damage(self, finding: Finding, sentence: str, seq: int | None) -> None:
        place = 0 if seq is None else seq
        self._damaged_at = place if self._damaged_at is None else min(self._damaged_at, place)
        self.find(finding, sentence, seq)

    def _explain_mismatches(self) -> None:
        """Tell entries that moved from entries that changed: a moved one is right at the place of another."""
        stored = {item.stored for item in self._mismatches}
        places = [item.seq for item in self._mismatches[:MOST_PROBLEMS]]
        for item in self._mismatches[:MOST_PROBLEMS]:
            moved = any(leaf(place, item.header, item.commitment) in stored for place in places)
            finding = Finding.REORDERED if moved else Finding.EDITED
            what = "stands at the place of another" if moved else "was changed after it was written"
            self._damage(finding, f"Entry {item.seq} {what}.", item.seq)

    def _check_head(self, head: StoredHead | None) -> None:
        if head is None:
            return
        size = self._tree.size
        if head.frontier.size > size:
            self._cut("stored head", head.frontier.size)
        elif head.frontier.size != size or (self._damaged_at is None and head.frontier.nodes != self._tree.nodes):
            self.find(Finding.BAD_HEAD, "The log's stored head is not that of its entries.")

    def _cut(self, name: str, size: int) -> None:
        if self._damaged_at is None:
            left = size - self._tree.size
            self.find(Finding.CUT_TAIL, f"The {name} covers {size} entries: the last {left} of them are gone.")

    def _check_checkpoint(self, name: str, found: Checkpoint) -> None:
        if found.size > self._tree.size:
            self._cut(name, found.size)
        elif self._roots.get(found.size) == found.root:
            self._signed = max(self._signed, found.size)
        elif self._damaged_at is None or self._damaged_at >= found.size:
            # Damage before it was reported already, and no root after it can be right.
            self.find(
                Finding.FORKED,
                f"The first {found.size} entries are not those that the {name} was signed for; "
                f"the first {self._signed} are as they were signed.",
            )
