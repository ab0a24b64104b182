"""Challenges: what a second factor has to be proved about, and which requests wait for that.

A challenge is SHA-256 over the canonical form of the digest of one request and a nonce, so a proof of it approves this
request and no other. Promises: a challenge belongs to one person, and one of a kernel's request to one grant; it ends
after `LIFETIME`, or when it was used; asking the same thing again gives the same challenge; nobody makes more than
`MOST` wait. Challenges stand in the store, so any process of the broker can take the proof.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, delete, insert, select, update

from jupyter_secure.broker.store.database import transaction
from jupyter_secure.broker.store.tables.mfa import MFA_CHALLENGES as TABLE
from jupyter_secure.protocol.canonical import digest
from jupyter_secure.protocol.errors import SecondFactorError
from jupyter_secure.protocol.messages import Load
from jupyter_secure.protocol.noun import Count, Noun
from jupyter_secure.protocol.record import Personal

LIFETIME = 5 * 60 * 1000  # milliseconds: long enough to fetch a phone
MOST = 20
REQUEST = "request"  # the use of a challenge that stands for a request of a kernel
_NOTHING = "There is nothing to verify here any more. Run the cell again."


class Request(Noun):
    """What is approved: the wish as it was made, under which policy, from which kernel."""

    dataset: str
    rung: str | None
    columns: tuple[str, ...] | None
    purpose: str | None
    policy: str
    grant: str

    @classmethod
    def of(cls, wish: Load, policy: str, grant: str) -> Request:
        """Return the request that a wish makes."""
        return cls(
            dataset=wish.dataset,
            rung=wish.rung,
            columns=wish.columns,
            purpose=wish.purpose,
            policy=policy,
            grant=grant,
        )


class Challenge(Noun):
    """One challenge.

    Attributes:
        use: what a proof permits: `request`, `verify`, `manage` or `passkey`.
        digest: what is proved, 64 hex digits.
        about: what a person is told of it.
        entry: joins the log entries of the request.
        proof: number of the log entry that holds the proof; None before.
        expires: milliseconds since 1970.
    """

    id: str
    user: str
    grant: str | None
    use: str
    request: str
    digest: str
    about: dict[str, Any]
    entry: str | None
    proof: Count | None
    created: Count
    expires: Count

    def personal(self) -> Personal:
        """Return what the log's entry about a proof says of the person."""
        about = self.about if self.use == REQUEST else {}
        return Personal(user=self.user, notebook=about.get("notebook"), purpose=about.get("purpose"))


class Challenges:
    """The challenges of one vault.

    Args:
        engine: the vault's database.
        now: milliseconds since 1970.
    """

    def __init__(self, engine: Engine, now: Callable[[], int]) -> None:
        self._engine = engine
        self._now = now

    def for_request(self, user: str, request: Request, about: dict[str, Any], entry: str) -> Challenge:
        """Return the challenge of a kernel's request; the same one while it waits."""
        asked = digest(request)
        with transaction(self._engine) as connection:
            same = (*self._alive(user), TABLE.c.grant == request.grant, TABLE.c.request == asked)
            row = connection.execute(select(TABLE).where(*same, TABLE.c.proof.is_(None))).mappings().first()
            if row is not None:
                return _read(row)
            return self._insert(connection, user, REQUEST, asked, grant=request.grant, about=about, entry=entry)

    def make(self, user: str, use: str) -> Challenge:
        """Return a new challenge that stands for no request of a kernel."""
        with transaction(self._engine) as connection:
            return self._insert(connection, user, use, digest({"use": use, "user": user}))

    def waiting(self, user: str) -> tuple[Challenge, ...]:
        """Return the requests of a person that wait for a proof, oldest first."""
        which = (*self._alive(user), TABLE.c.use == REQUEST, TABLE.c.proof.is_(None))
        with self._engine.connect() as connection:
            rows = connection.execute(select(TABLE).where(*which).order_by(TABLE.c.created)).mappings()
            return tuple(_read(row) for row in rows)

    def find(self, user: str, challenge: str, grant: str | None = None) -> Challenge:
        """Return a challenge of that person, and if a grant is named, of that kernel.

        Raises:
            SecondFactorError: there is none, it is over, or it is somebody else's; the three look the same.
        """
        which = [*self._alive(user), TABLE.c.id == challenge]
        if grant is not None:
            which.append(TABLE.c.grant == grant)
        with self._engine.connect() as connection:
            row = connection.execute(select(TABLE).where(*which)).mappings().first()
        if row is None:
            raise SecondFactorError(_NOTHING)
        return _read(row)

    def named(self, challenge: str) -> Challenge:
        """Return a challenge by its number, which is a secret of the person and the kernel.

        Raises:
            SecondFactorError: there is none, or it is over.
        """
        which = (TABLE.c.id == challenge, TABLE.c.expires > self._now())
        with self._engine.connect() as connection:
            row = connection.execute(select(TABLE).where(*which)).mappings().first()
        if row is None:
            raise SecondFactorError(_NOTHING)
        return _read(row)

    def spend(self, user: str, challenge: str, use: str, *, proved: bool) -> Challenge:
        """Take a challenge out of the store: it permits one thing, once.

        Raises:
            SecondFactorError: there is none of that use, or it was not proved and had to be.
        """
        which = [*self._alive(user), TABLE.c.id == challenge, TABLE.c.use == use]
        if proved:
            which.append(TABLE.c.proof.is_not(None))
        with transaction(self._engine) as connection:
            row = connection.execute(select(TABLE).where(*which)).mappings().first()
            if row is None:
                raise SecondFactorError("Verify a second factor first.")
            connection.execute(delete(TABLE).where(TABLE.c.id == challenge))
        return _read(row)

    def approval(self, user: str, request: Request) -> int | None:
        """Return the log entry that proves a second factor for just this request, and forget it; None if none does."""
        which = (
            *self._alive(user),
            TABLE.c.grant == request.grant,
            TABLE.c.request == digest(request),
            TABLE.c.proof.is_not(None),
        )
        with self._engine.connect() as connection:
            found = connection.execute(select(TABLE.c.id, TABLE.c.proof).where(*which)).first()
        if found is None:
            return None
        with transaction(self._engine) as connection:
            taken = connection.execute(delete(TABLE).where(TABLE.c.id == found.id)).rowcount == 1
        return int(found.proof) if taken else None

    def prove(self, connection: Connection, challenge: str, proof: int) -> None:
        """Note the proof, inside the caller's transaction.

        Raises:
            SecondFactorError: it is over, or was proved before.
        """
        open_one = (TABLE.c.id == challenge, TABLE.c.proof.is_(None))
        if connection.execute(update(TABLE).where(*open_one).values(proof=proof)).rowcount != 1:
            raise SecondFactorError(_NOTHING)

    def _alive(self, user: str) -> tuple[Any, Any]:
        return TABLE.c.user == user, TABLE.c.expires > self._now()

    def _insert(self, connection: Connection, user: str, use: str, request: str, **fields: Any) -> Challenge:
        now = self._now()
        nonce = secrets.token_hex(16)
        row: dict[str, Any] = {"grant": None, "about": {}, "entry": None, "proof": None, **fields}
        row |= {"id": nonce, "user": user, "use": use, "request": request, "created": now, "expires": now + LIFETIME}
        row["digest"] = digest({"request": request, "nonce": nonce})
        newest = select(TABLE.c.id).where(TABLE.c.user == user).order_by(TABLE.c.created.desc()).limit(MOST - 1)
        kept = list(connection.execute(newest).scalars())
        connection.execute(delete(TABLE).where(TABLE.c.expires <= now))
        connection.execute(delete(TABLE).where(TABLE.c.user == user, TABLE.c.id.not_in(kept)))
        connection.execute(insert(TABLE), row)
        return Challenge(**row)


def _read(row: RowMapping) -> Challenge:
    return Challenge(**{str(name): value for name, value in row.items()})
