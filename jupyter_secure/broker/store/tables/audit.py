"""The audit log at rest (docs/spec/audit-log-v1.md), and the triggers that keep entries from being changed.

Triggers stop mistakes and ordinary access; whoever owns the file can drop them, and then verification finds the change.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, String, Table, Text

from jupyter_secure.broker.store.metadata import METADATA
from jupyter_secure.broker.store.rights import APPEND, runtime
from jupyter_secure.broker.store.triggers import Trigger

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
    info=runtime(APPEND, 'UPDATE (salt, personal, "user", notebook)'),
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
    info=runtime(APPEND, "UPDATE (size, frontier, note)"),
)

# Signed checkpoints that stay: one each few hundred entries, so that damage can be located between two of them.
AUDIT_CHECKPOINTS = Table(
    "audit_checkpoints",
    METADATA,
    Column("size", SEQUENCE, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    info=runtime(APPEND),
)

_KEPT = ("seq", "header", "commitment", "leaf", "time", "kind", "dataset")
_ERASED = ("salt", "personal", "user", "notebook")
_ERASES = " AND ".join(
    [*(f'NEW."{name}" <=> OLD."{name}"' for name in _KEPT), *(f'NEW."{name}" IS NULL' for name in _ERASED)]
)
_IN_ORDER = "NEW.seq <=> (SELECT coalesce(max(seq) + 1, 0) FROM audit_entries)"
_LARGER = "NEW.size > (SELECT coalesce(max(size), 0) FROM audit_checkpoints)"
_FIRST = "NOT EXISTS (SELECT 1 FROM audit_head)"
_GROWS = "NEW.id <=> OLD.id AND NEW.size >= OLD.size"
_SENTENCE = "the audit log only grows"

# In-order inserts also stop INSERT OR REPLACE, which fires no trigger for the row that it deletes.
TRIGGERS = (
    Trigger("audit_entries_in_order", "INSERT", "audit_entries", _SENTENCE, _IN_ORDER),
    Trigger("audit_entries_only_erased", "UPDATE", "audit_entries", _SENTENCE, _ERASES),
    Trigger("audit_entries_stay", "DELETE", "audit_entries", _SENTENCE),
    Trigger("audit_checkpoints_in_order", "INSERT", "audit_checkpoints", _SENTENCE, _LARGER),
    Trigger("audit_checkpoints_fixed", "UPDATE", "audit_checkpoints", _SENTENCE),
    Trigger("audit_checkpoints_stay", "DELETE", "audit_checkpoints", _SENTENCE),
    Trigger("audit_head_single", "INSERT", "audit_head", _SENTENCE, _FIRST),
    Trigger("audit_head_grows", "UPDATE", "audit_head", _SENTENCE, _GROWS),
    Trigger("audit_head_stays", "DELETE", "audit_head", _SENTENCE),
)
