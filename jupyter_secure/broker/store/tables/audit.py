"""The audit log at rest (docs/spec/audit-log-v1.md), and the triggers that keep entries from being changed.

Triggers stop mistakes and ordinary access; whoever owns the file can drop them, and then verification finds the change.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, String, Table, Text

from jupyter_secure.broker.store.metadata import METADATA

# SQLite keeps a table in the order of its key only if the key's type is INTEGER.
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

# `header` and `personal` are canonical JSON text. Erasure empties `personal`, `salt`, `user`, `notebook` together.
# `time`, `kind`, `dataset`, `user` and `notebook` repeat what the JSON says, for searching; verification compares them.
AUDIT_ENTRIES = Table(
    "audit_entries",
    METADATA,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=False),
    Column("header", Text, nullable=False),
    Column("commitment", String(64), nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=True),
    Column("personal", Text, nullable=True),
    Column("time", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("dataset", String(63), nullable=True),
    Column("user", String(63), nullable=True),
    Column("notebook", String(1024), nullable=True),
    Index(None, "notebook", "seq"),
    Index(None, "user", "seq"),
)

# One row: how many leaves there are, the roots of the perfect subtrees that make up the tree (32 bytes each, left to
# right), and the last signed checkpoint.
AUDIT_HEAD = Table(
    "audit_head",
    METADATA,
    Column("id", SEQUENCE, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("note", Text, nullable=True),
    CheckConstraint("id = 0", name="single"),
)

# Signed checkpoints that stay: one each few hundred entries, so that damage can be located between two of them.
AUDIT_CHECKPOINTS = Table(
    "audit_checkpoints",
    METADATA,
    Column("size", SEQUENCE, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
)

_KEPT = ("seq", "header", "commitment", "leaf", "time", "kind", "dataset")
_ERASED = ("salt", "personal", "user", "notebook")
_ERASES = " AND ".join(
    [*(f'NEW."{name}" IS OLD."{name}"' for name in _KEPT), *(f'NEW."{name}" IS NULL' for name in _ERASED)]
)


def _trigger(name: str, event: str, table: str, unless: str = "0") -> tuple[str, str]:
    refuse = "BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
    return name, f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN NOT ({unless}) {refuse}"


# In-order inserts also stop INSERT OR REPLACE, which fires no trigger for the row that it deletes.
SQLITE_TRIGGERS: dict[str, str] = dict(
    (
        _trigger(
            "audit_entries_in_order",
            "INSERT",
            "audit_entries",
            "NEW.seq IS (SELECT coalesce(max(seq) + 1, 0) FROM audit_entries)",
        ),
        _trigger("audit_entries_only_erased", "UPDATE", "audit_entries", _ERASES),
        _trigger("audit_entries_stay", "DELETE", "audit_entries"),
        _trigger(
            "audit_checkpoints_in_order",
            "INSERT",
            "audit_checkpoints",
            "NEW.size > (SELECT coalesce(max(size), 0) FROM audit_checkpoints)",
        ),
        _trigger("audit_checkpoints_fixed", "UPDATE", "audit_checkpoints"),
        _trigger("audit_checkpoints_stay", "DELETE", "audit_checkpoints"),
        _trigger("audit_head_single", "INSERT", "audit_head", "NOT EXISTS (SELECT 1 FROM audit_head)"),
        _trigger("audit_head_grows", "UPDATE", "audit_head", "NEW.id IS OLD.id AND NEW.size >= OLD.size"),
        _trigger("audit_head_stays", "DELETE", "audit_head"),
    )
)
