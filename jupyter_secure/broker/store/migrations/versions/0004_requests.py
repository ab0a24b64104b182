"""Requests for access, and acknowledged purposes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "requests",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("dataset", sa.String(63), nullable=False),
        sa.Column("rung", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(63)),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("decided", sa.BigInteger()),
        sa.Column("decided_by", sa.String(63)),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("ended", sa.BigInteger()),
        sa.Column("ended_by", sa.String(63)),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
        sa.CheckConstraint('decided_by IS NULL OR decided_by <> "user"', name="ck_requests_four_eyes"),
    )
    op.create_index("ix_requests_user", "requests", ["user"])
    op.create_index("ix_requests_state", "requests", ["state"])
    op.create_table(
        "acknowledgements",
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("purpose", sa.String(63), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("acknowledged", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user", "purpose", "digest", name="pk_acknowledgements"),
    )
