"""Second factors, by the name of the person alone: who the person is may be known to another service than this one."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Integer, LargeBinary, String, Table

from jupyter_secure.broker.store.metadata import METADATA

# `totp` and `draft` are wrapped secrets (a draft waits for its first code until `draft_until`); `step` is the newest
# time step of a code that was accepted; `verified` is in seconds since 1970, like `Principal.mfa_at`; `wrong` counts
# wrong proofs in a row, and until `until` none is looked at.
MFA_PEOPLE = Table(
    "mfa_people",
    METADATA,
    Column("user", String(63), primary_key=True),
    Column("totp", LargeBinary, nullable=True),
    Column("draft", LargeBinary, nullable=True),
    Column("draft_until", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("verified", BigInteger, nullable=True),
    Column("wrong", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),
)

# `hash` is an Argon2id PHC string; `used` is null while the code is good.
MFA_RECOVERY = Table(
    "mfa_recovery",
    METADATA,
    Column("user", String(63), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("hash", String(300), nullable=False),
    Column("used", BigInteger, nullable=True),
)

# `id` is the credential's identifier in base64url, `public_key` a COSE key, `counter` the highest one it has shown.
MFA_PASSKEYS = Table(
    "mfa_passkeys",
    METADATA,
    Column("id", String(1400), primary_key=True),
    Column("user", String(63), nullable=False, index=True),
    Column("label", String(80), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
)

# `digest` is what a proof has to be about: SHA-256 over the digest of the request and a nonce. `use` says what a proof
# permits, `about` is the request in words' parts, `proof` the log entry of the proof, null before. A row is deleted
# when it was used or has expired.
MFA_CHALLENGES = Table(
    "mfa_challenges",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("user", String(63), nullable=False, index=True),
    Column("grant", String(64), nullable=True),
    Column("use", String(16), nullable=False),
    Column("request", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("about", JSON, nullable=False),
    Column("entry", String(32), nullable=True),
    Column("proof", BigInteger, nullable=True),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

# A browser that was sent to the identity provider to prove a challenge. `secret` is the SHA-256 of what that browser
# alone holds, `started` in seconds since 1970. A row is deleted when the browser comes back.
MFA_JOURNEYS = Table(
    "mfa_journeys",
    METADATA,
    Column("challenge", String(32), primary_key=True),
    Column("secret", String(64), nullable=False, unique=True),
    Column("started", BigInteger, nullable=False),
)
