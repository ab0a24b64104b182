"""Reading the log: pages of entries, newest first."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from jupyter_secure.broker.store.tables.audit import AUDIT_ENTRIES
from jupyter_secure.protocol.errors import (
    AuditUnavailableError,
    InstallationError,
    IntegrityError,
    UnavailableError,
)
from jupyter_secure.protocol.record import Entry, Kind

from .entry import decode_header, decode_personal, searchable

_COLUMNS = AUDIT_ENTRIES.c
_DAMAGED = "The audit log is damaged. `jupyter secure audit verify` says where."


def select_entries(
    engine: Engine,
    *,
    notebook: str | None = None,
    user: str | None = None,
    dataset: str | None = None,
    kinds: Sequence[Kind] = (),
    before: int | None = None,
    limit: int | None = 50,
) -> tuple[Entry, ...]:
    """Return the entries that match everything given, newest first.

    Args:
        engine: the store.
        notebook: of this notebook.
        user: of this person.
        dataset: about this dataset.
        kinds: of one of these kinds; empty means any.
        before: with a smaller number only.
        limit: at most so many; None means all.

    Raises:
        AuditUnavailableError: the database cannot be read.
        IntegrityError: what it holds is not an entry.
    """
    query = select(_COLUMNS.seq, _COLUMNS.header, _COLUMNS.commitment, _COLUMNS.personal)
    for column, wanted in ((_COLUMNS.notebook, notebook), (_COLUMNS.user, user), (_COLUMNS.dataset, dataset)):
        query = query if wanted is None else query.where(column == searchable(wanted))
    query = query.where(_COLUMNS.kind.in_([kind.value for kind in kinds])) if kinds else query
    query = query if before is None else query.where(_COLUMNS.seq < before)
    try:
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(_COLUMNS.seq.desc()).limit(limit)).all()
    except (SQLAlchemyError, sqlite3.Error, UnavailableError, InstallationError) as error:
        raise AuditUnavailableError("The audit log cannot be read.", detail=type(error).__name__) from None
    return tuple(_entry(*row) for row in rows)


def _entry(seq: int, header: str, commitment: str, personal: str | None) -> Entry:
    try:
        return Entry(
            seq=seq,
            header=decode_header(header),
            commitment=commitment,
            personal=None if personal is None else decode_personal(personal),
        )
    except (msgspec.DecodeError, TypeError) as error:
        raise IntegrityError(_DAMAGED, detail=f"entry {seq}: {type(error).__name__}") from None
