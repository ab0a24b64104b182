"""The audit log at rest (docs/spec/audit-log-v1.md), and the triggers that keep entries from being changed.

Triggers stop mistakes and ordinary access; whoever owns the file can drop them, and then verification finds the change.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, String, Table, Text

from jupyter_secure.broker.store.metadata import METADATA

# SQLite keeps a table in the order of its key only if the key's type is INTEGER.
SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

# `header` and `personal` are canonical JSON text; `personal`, `salt`, `user` and `notebook` go null together on erasure.
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

_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
_KEPT = ("seq", "header", "commitment", "leaf", "time", "kind", "dataset")
_ERASED = ("salt", "personal", "user", "notebook")
_ONLY_ERASES = " AND ".join(
    [*(f'NEW."{name}" IS OLD."{name}"' for name in _KEPT), *(f'NEW."{name}" IS NULL' for name in _ERASED)]
)

SQLITE_TRIGGERS: dict[str, str] = {
    "audit_entries_stay": f"CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries {_REFUSE}",
    # Also what refuses INSERT OR REPLACE, which fires no trigger for the row that it deletes.
    "audit_entries_in_order": (
        "CREATE TRIGGER audit_entries_in_order BEFORE INSERT ON audit_entries "
        "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM audit_entries) " + _REFUSE
    ),
    "audit_entries_only_erased": (
        f"CREATE TRIGGER audit_entries_only_erased BEFORE UPDATE ON audit_entries WHEN NOT ({_ONLY_ERASES}) {_REFUSE}"
    ),
    "audit_checkpoints_stay": f"CREATE TRIGGER audit_checkpoints_stay BEFORE DELETE ON audit_checkpoints {_REFUSE}",
    "audit_checkpoints_in_order": (
        "CREATE TRIGGER audit_checkpoints_in_order BEFORE INSERT ON audit_checkpoints "
        "WHEN NEW.size <= (SELECT max(size) FROM audit_checkpoints) " + _REFUSE
    ),
    "audit_checkpoints_fixed": f"CREATE TRIGGER audit_checkpoints_fixed BEFORE UPDATE ON audit_checkpoints {_REFUSE}",
    "audit_head_stays": f"CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head {_REFUSE}",
    "audit_head_single": (
        "CREATE TRIGGER audit_head_single BEFORE INSERT ON audit_head WHEN EXISTS (SELECT 1 FROM audit_head) " + _REFUSE
    ),
    "audit_head_grows": (
        "CREATE TRIGGER audit_head_grows BEFORE UPDATE ON audit_head "
        f"WHEN NEW.id IS NOT OLD.id OR NEW.size < OLD.size {_REFUSE}"
    ),
}
