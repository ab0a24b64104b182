"""The privacy ledger at rest, and the triggers that keep it from forgetting.

Budgets are whole numbers of 1e-9 rho. Triggers stop mistakes and ordinary access; whoever owns the file can drop them,
and then the hash chain and its anchor in the audit log find the change.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, LargeBinary, String, Table, Text

from jupyter_secure.broker.store.metadata import METADATA

# One row per budget. `subject` (a dataset, or a dataset and a person) and `salt` go null together on erasure; the chain
# holds only their commitment.
LEDGER_CAPS = Table(
    "ledger_caps",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("subject", String(160), nullable=True),
    Column("salt", LargeBinary, nullable=True),
    Column("cap", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    CheckConstraint("spent >= 0", name="not_negative"),
    CheckConstraint("spent <= cap", name="within_cap"),
    Index(None, "kind", "subject", unique=True),
)

# The hash chain: `body` is canonical JSON, `hash` = SHA-256 of the previous hash and the body.
LEDGER_ENTRIES = Table(
    "ledger_entries",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("hash", String(64), nullable=False),
)

# Answers that were paid for, by question and by the budgets that paid; `entry` is the entry that attached it.
LEDGER_ANSWERS = Table(
    "ledger_answers",
    METADATA,
    Column("entry", BigInteger, ForeignKey("ledger_entries.seq"), primary_key=True, autoincrement=False),
    Column("question", String(64), nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Index(None, "question", "entry"),
)

_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the privacy ledger only grows'); END"

SQLITE_TRIGGERS: dict[str, str] = {
    "ledger_entries_stay": f"CREATE TRIGGER ledger_entries_stay BEFORE DELETE ON ledger_entries {_REFUSE}",
    "ledger_entries_fixed": f"CREATE TRIGGER ledger_entries_fixed BEFORE UPDATE ON ledger_entries {_REFUSE}",
    "ledger_answers_stay": f"CREATE TRIGGER ledger_answers_stay BEFORE DELETE ON ledger_answers {_REFUSE}",
    "ledger_answers_fixed": f"CREATE TRIGGER ledger_answers_fixed BEFORE UPDATE ON ledger_answers {_REFUSE}",
    "ledger_caps_stay": f"CREATE TRIGGER ledger_caps_stay BEFORE DELETE ON ledger_caps {_REFUSE}",
    "ledger_caps_grow": (
        "CREATE TRIGGER ledger_caps_grow BEFORE UPDATE ON ledger_caps "
        f"WHEN NEW.id IS NOT OLD.id OR NEW.kind IS NOT OLD.kind OR NEW.spent < OLD.spent {_REFUSE}"
    ),
}
