"""Browsers that were sent to the identity provider to prove a challenge."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "mfa_journeys",
        sa.Column("challenge", sa.String(32), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("challenge", name="pk_mfa_journeys"),
        sa.UniqueConstraint("secret", name="uq_mfa_journeys_secret"),
    )
