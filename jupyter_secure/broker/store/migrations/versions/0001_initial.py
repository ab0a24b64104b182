"""The first schema: accounts, grants, keys, policies, sealed versions, audit log. One function for each noun family."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from jupyter_secure.broker.store import triggers
from jupyter_secure.broker.store.tables.audit import SEQUENCE, TRIGGERS

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    accounts()
    grants()
    keys()
    policies()
    sealed()
    audit()


def accounts() -> None:
    """Accounts and tickets."""
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("password_hash", sa.String(300), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_accounts"),
    )
    op.create_table(
        "tickets",
        sa.Column("ticket", sa.String(64), nullable=False),
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ticket", name="pk_tickets"),
        sa.ForeignKeyConstraint(["user"], ["accounts.name"], name="fk_tickets_user", ondelete="CASCADE"),
    )
    op.create_index("ix_tickets_user", "tickets", ["user"])
    op.create_index("ix_tickets_expires", "tickets", ["expires"])


def grants() -> None:
    """Grants of kernels."""
    op.create_table(
        "grants",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("user", sa.String(63), nullable=False),
        sa.Column("kernel", sa.String(64), nullable=False),
        sa.Column("notebook", sa.String(1024), nullable=False),
        sa.Column("guard", sa.JSON(), nullable=False),
        sa.Column("public_key", sa.String(64)),
        sa.Column("issued", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
    )
    op.create_index("ix_grants_user", "grants", ["user"])
    op.create_index("ix_grants_kernel", "grants", ["kernel"])


def keys() -> None:
    """Wrapped keys."""
    op.create_table(
        "keys",
        sa.Column("purpose", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("wrapped", sa.LargeBinary()),
        sa.Column("provider", sa.String(500), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("destroyed", sa.BigInteger()),
        sa.PrimaryKeyConstraint("purpose", "name", name="pk_keys"),
    )


def policies() -> None:
    """Signed policy versions."""
    op.create_table(
        "policies",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_policies"),
    )
    op.create_index("ix_policies_digest", "policies", ["digest"])


def sealed() -> None:
    """Dataset versions."""
    op.create_table(
        "sealed_versions",
        sa.Column("dataset", sa.String(63), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("sealed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "version", name="pk_sealed_versions"),
    )


def audit() -> None:
    """The audit log, and what keeps it append-only."""
    op.create_table(
        "audit_entries",
        sa.Column("seq", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("commitment", sa.String(64), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary()),
        sa.Column("personal", sa.Text()),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("dataset", sa.String(63)),
        sa.Column("user", sa.String(63)),
        sa.Column("notebook", sa.String(1024)),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_notebook_seq", "audit_entries", ["notebook", "seq"])
    op.create_index("ix_audit_entries_user_seq", "audit_entries", ["user", "seq"])
    op.create_table(
        "audit_head",
        sa.Column("id", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
        sa.CheckConstraint("id = 0", name="ck_audit_head_single"),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", SEQUENCE, autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_audit_checkpoints"),
    )
    for statement in triggers.statements(TRIGGERS, op.get_context().dialect.name):
        op.execute(statement)
