"""The broker's memory of every dataset version it ever sealed, which files on disk cannot roll back."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table

from jupyter_secure.broker.store.metadata import METADATA
from jupyter_secure.broker.store.rights import APPEND, runtime

# `envelope` is the signed manifest (DSSE) as bytes, `digest` the SHA-256 of its payload.
SEALED_VERSIONS = Table(
    "sealed_versions",
    METADATA,
    Column("dataset", String(63), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("sealed_at", BigInteger, nullable=False),
    info=runtime(APPEND),
)
# The data keys of a version under a later key of its dataset. `envelope` is a signed key sheet (DSSE), or null where
# that key was never given the version's data keys: such a version is erased.
KEY_SHEETS = Table(
    "key_sheets",
    METADATA,
    Column("dataset", String(63), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("envelope", LargeBinary, nullable=True),
    info=runtime(APPEND),
)
