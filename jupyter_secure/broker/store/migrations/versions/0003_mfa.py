"""Second factors: secrets and counts by person, recovery codes, passkeys, challenges that wait for a proof."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the four tables."""
    op.create_table(
        "mfa_people",
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("totp", sa.LargeBinary()),
        sa.Column("draft", sa.LargeBinary()),
        sa.Column("draft_until", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("verified", sa.BigInteger()),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user", name="pk_mfa_people"),
    )
    op.create_table(
        "mfa_recovery",
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(300), nullable=False),
        sa.Column("used", sa.BigInteger()),
        sa.PrimaryKeyConstraint("user", "number", name="pk_mfa_recovery"),
    )
    op.create_table(
        "mfa_passkeys",
        sa.Column("id", sa.String(1400), nullable=False),
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mfa_passkeys"),
    )
    op.create_index("ix_mfa_passkeys_user", "mfa_passkeys", ["user"])
    op.create_table(
        "mfa_challenges",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("grant", sa.String(64)),
        sa.Column("use", sa.String(16), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.Column("entry", sa.String(32)),
        sa.Column("proof", sa.BigInteger()),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mfa_challenges"),
    )
    op.create_index("ix_mfa_challenges_user", "mfa_challenges", ["user"])
