"""The privacy ledger: budgets, their hash chain, the answers that were paid for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from jupyter_secure.broker.store import triggers
from jupyter_secure.broker.store.tables.ledger import SEQUENCE, TRIGGERS

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the ledger and what keeps it append-only."""
    op.create_table(
        "ledger_caps",
        sa.Column("id", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(160)),
        sa.Column("salt", sa.LargeBinary()),
        sa.Column("cap", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_caps"),
        sa.CheckConstraint("spent >= 0 AND spent <= cap", name="ck_ledger_caps_within_cap"),
    )
    op.create_index("ix_ledger_caps_kind_subject", "ledger_caps", ["kind", "subject"], unique=True)
    op.create_table(
        "ledger_entries",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_ledger_entries"),
    )
    op.create_table(
        "ledger_answers",
        sa.Column("entry", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("question", sa.String(64), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("entry", name="pk_ledger_answers"),
        sa.ForeignKeyConstraint(["entry"], ["ledger_entries.seq"], name="fk_ledger_answers_entry"),
    )
    op.create_index("ix_ledger_answers_question_entry", "ledger_answers", ["question", "entry"])
    for statement in triggers.statements(TRIGGERS, op.get_context().dialect.name):
        op.execute(statement)
