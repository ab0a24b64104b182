"""Wrapped keys; never a key in clear."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table

from jupyter_secure.broker.store.metadata import METADATA
from jupyter_secure.broker.store.rights import APPEND, runtime

# A key has a purpose and a name inside it. Destroying it empties `wrapped` and keeps the row.
KEYS = Table(
    "keys",
    METADATA,
    Column("purpose", String(64), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("wrapped", LargeBinary, nullable=True),
    Column("provider", String(500), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("destroyed", BigInteger, nullable=True),
    info=runtime(APPEND, "UPDATE (wrapped, destroyed)"),
)
