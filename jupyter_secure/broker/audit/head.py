"""The one row that says how far the log has come: size, Merkle frontier, last signed checkpoint."""

from __future__ import annotations

import functools
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from jupyter_secure.broker.store.prepared import Prepared, PreparedWrite
from jupyter_secure.broker.store.tables.audit import AUDIT_CHECKPOINTS, AUDIT_HEAD
from jupyter_secure.protocol.checkpoint import parse_checkpoint, parse_note
from jupyter_secure.protocol.tlog import Frontier

KEEP_EVERY = 256  # entries between two checkpoints that are kept for good
_HEAD = Prepared(select(AUDIT_HEAD.c.size, AUDIT_HEAD.c.frontier, AUDIT_HEAD.c.note))
_BEGUN = PreparedWrite(insert(AUDIT_HEAD))
_GROWN = PreparedWrite(
    update(AUDIT_HEAD).values(size=bindparam("leaves"), frontier=bindparam("roots"), note=bindparam("signed"))
)


class StoredHead(NamedTuple):
    """The row; `exists` is False before the first entry."""

    exists: bool
    frontier: Frontier
    note: str | None

    @classmethod
    def read(cls, connection: Connection) -> StoredHead:
        """Read it.

        Raises:
            ValueError: the frontier is damaged.
        """
        row = _HEAD.first(connection)
        if row is None:
            return cls(exists=False, frontier=Frontier(), note=None)
        return cls(exists=True, frontier=Frontier.unpack(row.size, row.frontier), note=row.note)

    def signed(self) -> int:
        """Return how many entries the last signed checkpoint covers.

        Raises:
            ValueError: the checkpoint is damaged.
        """
        return _covered(self.note) if self.note else 0

    def store(self, connection: Connection, note: str | None, now: int) -> None:
        """Write the frontier as it has grown, with a new checkpoint if there is one."""
        size = self.frontier.size
        frontier, newest = self.frontier.pack(), note or self.note
        if self.exists:
            _GROWN.run(connection, leaves=size, roots=frontier, signed=newest)
        else:
            _BEGUN.run(connection, id=0, size=size, frontier=frontier, note=newest)
        if note is not None and (self.note is None or self.signed() // KEEP_EVERY < size // KEEP_EVERY):
            connection.execute(insert(AUDIT_CHECKPOINTS).values(size=size, note=note, time=now))


@functools.lru_cache(maxsize=4)  # it is asked twice in each commit
def _covered(note: str) -> int:
    return parse_checkpoint(parse_note(note).text).size
