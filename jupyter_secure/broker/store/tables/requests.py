"""Requests for access, and purposes that people acknowledged."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, Integer, String, Table

from jupyter_secure.broker.store.metadata import METADATA

# A protocol.access.AccessRequest, field by field. That an approval has run out follows from `until` and is not stored.
# The database itself knows of four eyes: a row in which somebody decided his own request cannot be written.
REQUESTS = Table(
    "requests",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("user", String(63), nullable=False, index=True),
    Column("dataset", String(63), nullable=False),
    Column("rung", String(16), nullable=False),
    Column("purpose", String(63), nullable=True),
    Column("rules", JSON, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("days", Integer, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("decided", BigInteger, nullable=True),
    Column("decided_by", String(63), nullable=True),
    Column("note", String(500), nullable=False),
    Column("until", BigInteger, nullable=True),
    Column("ended", BigInteger, nullable=True),
    Column("ended_by", String(63), nullable=True),
    CheckConstraint('decided_by IS NULL OR decided_by <> "user"', name="four_eyes"),
)

# `digest` is the SHA-256 of the text that was shown; a person has one row for each text.
ACKNOWLEDGEMENTS = Table(
    "acknowledgements",
    METADATA,
    Column("user", String(63), primary_key=True),
    Column("purpose", String(63), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("acknowledged", BigInteger, nullable=False),
)
