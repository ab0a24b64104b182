"""Writing the log. Nothing of a request is opened before its entry has been written here and `append` has returned.

Steps of one commit, inside one `BEGIN IMMEDIATE` transaction, so that all processes take turns:
 1. read the head (size and Merkle frontier) and refuse a log that did not grow out of what was seen or remembered
 2. give each entry the next number, hash it, grow the frontier
 3. sign the new checkpoint, if the signing key is at hand; a locked vault leaves entries to be signed by the next one
 4. insert the entries and the new head; every few hundred entries the checkpoint too
After the commit the checkpoint is offered to the anchor.

Promises: numbers have no gaps; an entry is durable when `append` or `record` returns; whatever goes wrong with the disk
or the database is an `AuditUnavailableError` and leaves no part of an entry.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from jupyter_secure.broker.keys.signing import Signs
from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.prepared import PreparedWrite
from jupyter_secure.broker.store.tables.audit import AUDIT_ENTRIES
from jupyter_secure.protocol.checkpoint import Checkpoint, format_note
from jupyter_secure.protocol.errors import (
    AuditUnavailableError,
    ConflictError,
    InstallationError,
    InvalidRequestError,
    LockedError,
    UnavailableError,
)
from jupyter_secure.protocol.record import Entry, Header, Kind, Personal
from jupyter_secure.protocol.tlog import Frontier

from . import reading
from .anchor import Anchor
from .continuity import Continuity
from .entry import Draft
from .head import StoredHead
from .origin import log_origin
from .writer import GroupWriter

_NO_DATABASE = (
    "The audit log cannot be written because the broker's database does not answer, so no data was opened. "
    "Try again in a moment; if it stays so, tell the operator."
)
_ENTRY = PreparedWrite(insert(AUDIT_ENTRIES))


class Head(NamedTuple):
    """The log's state: number of entries, hex root, and the last signed checkpoint (empty if there is none)."""

    size: int
    root: str
    note: str


class AuditLog:
    """The log of one vault.

    Args:
        engine: the store, migrated.
        signer: signs checkpoints; None while the vault is locked.
        clock: milliseconds since 1970.
        anchor: the file that remembers the last checkpoint; None only for a log in memory.
    """

    def __init__(
        self, engine: Engine, signer: Signs | None, clock: Callable[[], int], *, anchor: Path | None = None
    ) -> None:
        self._engine = engine
        self._signer = signer
        self._clock = clock
        self._anchor = Anchor(anchor)
        self._continuity = Continuity(self._anchor)
        self._turn = threading.Lock()  # one commit at a time; guards continuity and signer
        self._writer = GroupWriter(self._write, self._anchor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, header: Header, personal: Personal | None = None, *, remember: bool = True) -> int:
        """Write one entry and return its number; it is durable then.

        Without `remember` the file beside the log is left to the thread that writes for others, for which nobody waits.

        Raises:
            AuditUnavailableError: it could not be written.
        """
        [seq] = self._write([_draft(header, personal)])
        if not remember:
            self._writer.wake()
        elif self._anchor.due():
            self._anchor.flush()
        return seq

    async def record(self, header: Header, personal: Personal | None = None) -> int:
        """Do the same from an event loop; entries that wait together share one commit.

        Raises:
            AuditUnavailableError: it could not be written.
        """
        return await self._writer.submit(_draft(header, personal))

    def sign_with(self, signer: Signs) -> None:
        """Take the signing key, now that the vault is open, and sign what has been written without it."""
        with self._turn:
            self._signer = signer
        self.checkpoint()

    def checkpoint(self) -> str:
        """Sign the present state if it is not signed yet; return the last signed checkpoint, empty if there is none.

        Raises:
            AuditUnavailableError: it could not be written.
        """
        self._write([])
        self._anchor.flush()
        return self.head().note

    def head(self) -> Head:
        """Return the present state."""
        with _database_errors(), self._engine.connect() as connection:
            head = StoredHead.read(connection)
        return Head(head.frontier.size, head.frontier.root().hex(), head.note or "")

    def entries(
        self,
        *,
        notebook: str | None = None,
        user: str | None = None,
        dataset: str | None = None,
        kinds: Sequence[Kind] = (),
        before: int | None = None,
        limit: int | None = 50,
    ) -> tuple[Entry, ...]:
        """Return entries, newest first; see `reading.select_entries`."""
        return reading.select_entries(
            self._engine, notebook=notebook, user=user, dataset=dataset, kinds=kinds, before=before, limit=limit
        )

    def erase(self, seq: int, personal: Personal | None = None) -> int:
        """Erase the personal part of an entry, and log that under whoever did it; return the new entry's number.

        Raises:
            InvalidRequestError: there is no such entry.
            ConflictError: it has been erased already.
            AuditUnavailableError: it could not be written.
        """
        header = Header(time=self._clock(), kind=Kind.ENTRY_ERASED, outcome="done", reference=seq)
        [new] = self._write([_draft(header, personal)], erased=seq)
        self._anchor.flush()
        with _database_errors():
            database.scrub(self._engine)
        return new

    def close(self) -> None:
        """Write what waits, and remember the last checkpoint."""
        self._writer.close()
        self._anchor.flush()

    def _write(self, drafts: list[Draft], *, erased: int | None = None) -> list[int]:
        with self._turn, _database_errors():
            if self._anchor.failed:
                self._anchor.flush()
            if self._continuity.unsure:
                self._read_through()
            with database.transaction(self._engine, database.Family.AUDIT) as connection:
                head = StoredHead.read(connection)
                self._continuity.check(connection, head.frontier)
                if erased is not None:
                    _erase(connection, erased)
                rows = [_place(draft, head.frontier) for draft in drafts]
                _ENTRY.run_all(connection, rows)
                note = self._sign(head)
                if rows or note:
                    head.store(connection, note, self._clock())
            self._continuity.advance(head.frontier)
            if note is not None:
                self._anchor.offer(head.frontier.size, note)
        return [row["seq"] for row in rows]

    def _read_through(self) -> None:
        # The whole log, once, on a connection that only reads: other processes go on writing meanwhile.
        with self._engine.connect() as connection:
            self._continuity.check(connection, StoredHead.read(connection).frontier)

    def _sign(self, head: StoredHead) -> str | None:
        """Return a new signed checkpoint, or None if there is nothing new or no key."""
        if self._signer is None or head.frontier.size == head.signed():
            return None
        try:
            public = self._signer.public
            origin = log_origin(public)
            text = Checkpoint(origin=origin, size=head.frontier.size, root=head.frontier.root()).text()
            return format_note(text, origin, public, self._signer.sign(text.encode()))
        except LockedError:
            return None


def _place(draft: Draft, frontier: Frontier) -> dict[str, Any]:
    row = draft.row(frontier.size)
    frontier.add(row["leaf"])
    return row


def _draft(header: Header, personal: Personal | None) -> Draft:
    try:
        return Draft.make(header, personal or Personal())
    except ValueError as error:
        raise AuditUnavailableError(detail=f"an entry has no canonical form: {error}") from None


def _erase(connection: Connection, seq: int) -> None:
    found = connection.execute(select(AUDIT_ENTRIES.c.salt).where(AUDIT_ENTRIES.c.seq == seq)).one_or_none()
    if found is None:
        raise InvalidRequestError("There is no entry of that number.")
    if found.salt is None:
        raise ConflictError("The personal part of that entry was erased before. Nothing was changed.")
    nothing = {"salt": None, "personal": None, "user": None, "notebook": None}
    connection.execute(update(AUDIT_ENTRIES).where(AUDIT_ENTRIES.c.seq == seq).values(nothing))


@contextmanager
def _database_errors() -> Iterator[None]:
    """Turn every failure of disk and database, and a damaged head, into the one error that stops a request."""
    try:
        yield
    except (UnavailableError, InstallationError) as error:
        raise AuditUnavailableError(_NO_DATABASE, detail=error.detail) from None
    except (SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
        # The first line alone: what PostgreSQL says below it quotes rows.
        raise AuditUnavailableError(detail=f"{type(error).__name__}: {error}".partition("\n")[0]) from None
