"""Requests and acknowledgements in the store.

Promises: a request is replaced only while it stands as it was read, so of two deciders the first wins and the other
learns so; a person has one open or running request for the same thing, and `MOST` open ones at a time; every question
is answered from the tables as they are now, so an end counts at the next request.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Engine, bindparam, delete, insert, select, update

from jupyter_secure.broker.store.database import reading, transaction
from jupyter_secure.broker.store.prepared import Prepared
from jupyter_secure.broker.store.tables.requests import ACKNOWLEDGEMENTS, REQUESTS
from jupyter_secure.protocol.access import AccessRequest, RequestState
from jupyter_secure.protocol.errors import ConflictError, RefusedError

from .state import UNKNOWN, as_of

MOST = 20
LISTED = 200  # decided requests that are shown, newest first
_LIVE = (RequestState.REQUESTED, RequestState.APPROVED)
_STANDING = Prepared(
    select(REQUESTS).where(
        REQUESTS.c.user == bindparam("user"),
        REQUESTS.c.state == RequestState.APPROVED,
        REQUESTS.c.until > bindparam("now"),
    )
)
_TEXTS = Prepared(
    select(ACKNOWLEDGEMENTS.c.purpose, ACKNOWLEDGEMENTS.c.digest).where(ACKNOWLEDGEMENTS.c.user == bindparam("user"))
)


class Requests:
    """The requests of one vault.

    Args:
        engine: the vault's database.
        now: milliseconds since 1970.
    """

    def __init__(self, engine: Engine, now: Callable[[], int]) -> None:
        self._engine = engine
        self._now = now

    def add(self, request: AccessRequest) -> None:
        """Keep a new request.

        Raises:
            ConflictError: the person has asked for the same and it is open or running, or has too many open ones.
        """
        with transaction(self._engine) as connection:
            query = select(REQUESTS).where(REQUESTS.c.user == request.user, REQUESTS.c.state.in_(_LIVE))
            rows = connection.execute(query).mappings()
            live = [it for it in (as_of(_from_row(row), self._now()) for row in rows) if it.state in _LIVE]
            if any(_same(it, request) for it in live):
                raise ConflictError("You have asked for that already; the Secure Data sidebar shows how it stands.")
            if sum(it.state is RequestState.REQUESTED for it in live) >= MOST:
                raise ConflictError(f"You have {MOST} open requests. Wait for an answer, or withdraw one.")
            connection.execute(insert(REQUESTS), _to_row(request))

    def get(self, number: str) -> AccessRequest:
        """Return a request as it stands.

        Raises:
            RefusedError: there is none.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(REQUESTS).where(REQUESTS.c.id == number)).mappings().first()
        if row is None:
            raise RefusedError(UNKNOWN)
        return as_of(_from_row(row), self._now())

    def replace(self, before: AccessRequest, after: AccessRequest) -> None:
        """Put `after` in the place of `before`.

        Raises:
            ConflictError: it does not stand as `before` any more.
        """
        still = (REQUESTS.c.id == before.id, REQUESTS.c.state == before.state)
        with transaction(self._engine) as connection:
            if connection.execute(update(REQUESTS).where(*still).values(_to_row(after))).rowcount != 1:
                raise ConflictError("Somebody else was quicker: this request was decided meanwhile.")

    def list(self, user: str | None = None) -> tuple[AccessRequest, ...]:
        """Return a person's requests, or everybody's: the newest first, open ones before all others."""
        query = select(REQUESTS) if user is None else select(REQUESTS).where(REQUESTS.c.user == user)
        first = (REQUESTS.c.state != RequestState.REQUESTED, REQUESTS.c.state != RequestState.APPROVED)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(*first, REQUESTS.c.asked.desc()).limit(LISTED)).mappings()
            return tuple(as_of(_from_row(row), self._now()) for row in rows)

    def standing(self, user: str) -> tuple[tuple[AccessRequest, ...], dict[str, str]]:
        """Return the person's approvals that are not over, and the digest of the text of each purpose acknowledged."""
        with reading(self._engine) as connection:
            rows = _STANDING.all(connection, user=user, now=self._now())
            requests = tuple(_from_row(row._asdict()) for row in rows)
            return requests, {row.purpose: row.digest for row in _TEXTS.all(connection, user=user)}

    def acknowledge(self, user: str, purpose: str, digest: str) -> None:
        """Keep that a person acknowledged the text with that digest; it takes the place of an earlier one."""
        key = (ACKNOWLEDGEMENTS.c.user == user, ACKNOWLEDGEMENTS.c.purpose == purpose)
        row = {"user": user, "purpose": purpose, "digest": digest, "acknowledged": self._now()}
        with transaction(self._engine) as connection:
            connection.execute(delete(ACKNOWLEDGEMENTS).where(*key))
            connection.execute(insert(ACKNOWLEDGEMENTS), row)


def new_id() -> str:
    """Return a number that nobody guesses: 128 random bits in hex."""
    return secrets.token_hex(16)


def _same(one: AccessRequest, other: AccessRequest) -> bool:
    return (one.dataset, one.rung, one.purpose, one.rules) == (other.dataset, other.rung, other.purpose, other.rules)


def _to_row(request: AccessRequest) -> dict[str, Any]:
    return {**msgspec.structs.asdict(request), "rung": request.rung.value, "state": request.state.value}


def _from_row(row: Mapping[Any, Any]) -> AccessRequest:
    return msgspec.convert({name: row[name] for name in AccessRequest.__struct_fields__}, AccessRequest)
