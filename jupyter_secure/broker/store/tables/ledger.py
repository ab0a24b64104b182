"""The privacy ledger at rest, and the triggers that keep it from forgetting.

Budgets are whole numbers of 1e-9 rho. Triggers stop mistakes and ordinary access; whoever owns the file can drop them,
and then the hash chain and its anchor in the audit log find the change.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from jupyter_secure.broker.store.metadata import METADATA
from jupyter_secure.broker.store.rights import APPEND, runtime
from jupyter_secure.broker.store.triggers import Trigger

SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

# One row per budget. `subject` (a dataset, or a dataset and a person) and `salt` go null together on erasure; the chain
# holds only their commitment.
LEDGER_CAPS = Table(
    "ledger_caps",
    METADATA,
    Column("id", SEQUENCE, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("subject", String(160), nullable=True),
    Column("salt", LargeBinary, nullable=True),
    Column("cap", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    CheckConstraint("spent >= 0 AND spent <= cap", name="within_cap"),
    Index(None, "kind", "subject", unique=True),
    info=runtime(APPEND, "UPDATE (cap, spent, subject, salt)"),
)

# The hash chain: `body` is canonical JSON, `hash` = SHA-256 of the previous hash and the body.
LEDGER_ENTRIES = Table(
    "ledger_entries",
    METADATA,
    Column("seq", SEQUENCE, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    info=runtime(APPEND),
)

# Answers that were paid for, by question and by the budgets that paid; `entry` is the entry that attached it.
LEDGER_ANSWERS = Table(
    "ledger_answers",
    METADATA,
    Column("entry", SEQUENCE, ForeignKey("ledger_entries.seq"), primary_key=True, autoincrement=False),
    Column("question", String(64), nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Index(None, "question", "entry"),
    info=runtime(APPEND),
)


def _next(table: str, key: str) -> str:
    # In-order inserts also stop INSERT OR REPLACE, which fires no trigger for the row that it deletes.
    return f"NEW.{key} <=> (SELECT coalesce(max({key}), 0) + 1 FROM {table})"  # noqa: S608 - constants of this file


_LATER = "NEW.entry > (SELECT coalesce(max(entry), 0) FROM ledger_answers)"
_GROWS = (
    "NEW.id <=> OLD.id AND NEW.kind <=> OLD.kind AND NEW.spent >= OLD.spent "
    "AND ((NEW.subject <=> OLD.subject AND NEW.salt <=> OLD.salt) OR (NEW.subject IS NULL AND NEW.salt IS NULL))"
)
_SENTENCE = "the privacy ledger only grows"

TRIGGERS = (
    Trigger("ledger_entries_in_order", "INSERT", "ledger_entries", _SENTENCE, _next("ledger_entries", "seq")),
    Trigger("ledger_entries_fixed", "UPDATE", "ledger_entries", _SENTENCE),
    Trigger("ledger_entries_stay", "DELETE", "ledger_entries", _SENTENCE),
    Trigger("ledger_answers_in_order", "INSERT", "ledger_answers", _SENTENCE, _LATER),
    Trigger("ledger_answers_fixed", "UPDATE", "ledger_answers", _SENTENCE),
    Trigger("ledger_answers_stay", "DELETE", "ledger_answers", _SENTENCE),
    Trigger("ledger_caps_in_order", "INSERT", "ledger_caps", _SENTENCE, _next("ledger_caps", "id")),
    Trigger("ledger_caps_grow", "UPDATE", "ledger_caps", _SENTENCE, _GROWS),
    Trigger("ledger_caps_stay", "DELETE", "ledger_caps", _SENTENCE),
)
