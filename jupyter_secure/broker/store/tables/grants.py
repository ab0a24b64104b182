"""Grants: which kernel may ask, for whom, from which notebook, how confined."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, String, Table

from jupyter_secure.broker.store.metadata import METADATA

# `guard` is a protocol.grant.GuardReport; `public_key` is the kernel's X25519 key in base64, null until it said hello;
# `closed` is null while the kernel lives; `server` names the Hub's server it runs on, null on a laptop.
GRANTS = Table(
    "grants",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("user", String(63), nullable=False, index=True),
    Column("kernel", String(64), nullable=False, index=True),
    Column("notebook", String(1024), nullable=False),
    Column("guard", JSON, nullable=False),
    Column("public_key", String(64), nullable=True),
    Column("issued", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("closed", BigInteger, nullable=True),
    Column("server", String(255), nullable=True),
)
