"""People who log in on this computer, and the tickets of those who have."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, String, Table

from jupyter_secure.broker.store.metadata import METADATA

# `roles` is a JSON list of role names; `password_hash` an Argon2id PHC string.
ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("name", String(63), primary_key=True),
    Column("display_name", String(200), nullable=False),
    Column("password_hash", String(300), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
)

# A ticket is stored as its SHA-256 only: whoever reads the database cannot log in with what he finds.
TICKETS = Table(
    "tickets",
    METADATA,
    Column("ticket", String(64), primary_key=True),
    Column("user", String(63), ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires", BigInteger, nullable=False, index=True),
)
