"""The log only grows: before anything is written, the tree in the database must have grown out of the tree seen last.

What was seen last is what this process wrote or found, and at first what the anchor remembers. The check replays the
leaves that others appended meanwhile, so it costs nothing while one process writes, little while several do, and one
pass over the log at the start (`unsure`), which needs no turn of the writers. A log that went back, was replaced, or
was changed and hashed again is neither continued nor signed.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from jupyter_secure.broker.store.tables.audit import AUDIT_ENTRIES
from jupyter_secure.protocol.errors import AuditUnavailableError
from jupyter_secure.protocol.tlog import Frontier

from .anchor import Anchor

_BATCH = 5_000  # leaves fetched at once; memory stays flat
_GONE_BACK = (
    "The audit log is older than what was last signed, or not the same, so no data was opened. "
    "Run `jupyter secure audit verify`, then restore the newest copy of the vault."
)


class Continuity:
    """Remembers the tree of one log; used by one thread at a time."""

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor
        self._seen: Frontier | None = None

    @property
    def unsure(self) -> bool:
        """Say whether the next check reads the log from its beginning."""
        return self._seen is None

    def check(self, connection: Connection, frontier: Frontier) -> None:
        """Compare the database's tree with the one seen last.

        Raises:
            AuditUnavailableError: it did not grow out of that one. The next check looks at the anchor again, since the
                right database may have been put back.
        """
        seen, self._seen = self._seen, None
        if seen is None:
            seen = self._remembered(connection, frontier)
        if seen.size > frontier.size or _grown(connection, seen, frontier.size).nodes != frontier.nodes:
            raise AuditUnavailableError(_GONE_BACK, detail=f"{frontier.size} entries, {seen.size} seen")
        self._seen = Frontier(frontier.size, frontier.nodes)

    def advance(self, frontier: Frontier) -> None:
        """Remember what was just committed."""
        self._seen = frontier

    def _remembered(self, connection: Connection, frontier: Frontier) -> Frontier:
        remembered = self._anchor.read()
        if remembered is None:
            return Frontier(frontier.size, frontier.nodes)
        short = remembered.size <= frontier.size
        tree = _grown(connection, Frontier(), remembered.size) if short else Frontier()
        if tree.size != remembered.size or tree.root() != remembered.root:
            raise AuditUnavailableError(_GONE_BACK, detail=f"{frontier.size} entries, {remembered.size} remembered")
        return tree


def _grown(connection: Connection, tree: Frontier, size: int) -> Frontier:
    """Return a tree grown by the stored leaves, up to a size."""
    seq = AUDIT_ENTRIES.c.seq
    grown = Frontier(tree.size, tree.nodes)
    if tree.size < size:
        query = select(AUDIT_ENTRIES.c.leaf).where(seq >= tree.size, seq < size).order_by(seq)
        for leaf in connection.scalars(query, execution_options={"yield_per": _BATCH}):
            grown.add(leaf)
    return grown
