"""Wrapped data keys of sealed versions, for every generation of a dataset's key after the first."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "key_sheets",
        sa.Column("dataset", sa.String(63), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("envelope", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("dataset", "version", "generation", name="pk_key_sheets"),
    )
