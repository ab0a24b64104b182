"""Signed policy versions; the highest number is in force."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table

from jupyter_secure.broker.store.metadata import METADATA
from jupyter_secure.broker.store.rights import APPEND, runtime

# `envelope` is the DSSE envelope as bytes, `digest` the SHA-256 of its payload.
POLICIES = Table(
    "policies",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("envelope", LargeBinary, nullable=False),
    Column("applied", BigInteger, nullable=False),
    info=runtime(APPEND),
)
