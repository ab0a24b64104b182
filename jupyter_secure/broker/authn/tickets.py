"""Tickets: what a browser holds after a login.

Promises: 256 random bits, of which the store keeps the SHA-256 alone; a ticket names no role, because roles are read
from the account at each use; it ends after `LIFETIME`, by logout, and at once when the account is disabled. It opens
nothing by itself: it only says who is asking.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from sqlalchemy import Engine, delete, insert, select

from jupyter_secure.broker.store.database import transaction
from jupyter_secure.broker.store.tables.accounts import TICKETS
from jupyter_secure.protocol.errors import UnauthenticatedError
from jupyter_secure.protocol.messages import Session

from .accounts import active

LIFETIME = 12 * 3600 * 1000  # milliseconds: a working day


class Tickets:
    """The tickets of one vault.

    Args:
        engine: the vault's database.
        now: milliseconds since 1970.
    """

    def __init__(self, engine: Engine, now: Callable[[], int]) -> None:
        self._engine = engine
        self._now = now

    def mint(self, user: str) -> tuple[str, int]:
        """Return a new ticket and when it expires, in milliseconds since 1970. Expired ones are swept out.

        Raises:
            UnauthenticatedError: there is no active account of that name.
        """
        ticket = secrets.token_urlsafe(32)
        now = self._now()
        with transaction(self._engine) as connection:
            active(connection, user)
            connection.execute(delete(TICKETS).where(TICKETS.c.expires <= now))
            row = {"ticket": _stored(ticket), "user": user, "expires": now + LIFETIME}
            connection.execute(insert(TICKETS), row)
        return ticket, now + LIFETIME

    def whoami(self, ticket: str) -> Session:
        """Return who the ticket stands for now; the ticket itself is not repeated.

        Raises:
            UnauthenticatedError: it is unknown or expired, or its account has been disabled.
        """
        # The look-up compares hashes of 256 random bits, so its timing tells nothing that helps to guess one.
        query = select(TICKETS.c.user, TICKETS.c.expires).where(TICKETS.c.ticket == _stored(ticket))
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
            if row is None or row.expires <= self._now():
                raise UnauthenticatedError
            try:
                principal = active(connection, row.user)
            except UnauthenticatedError:
                raise UnauthenticatedError from None
        return Session(principal=principal, ticket="", expires_at=row.expires)

    def logout(self, ticket: str) -> None:
        """End a ticket; an unknown one is ended already."""
        with transaction(self._engine) as connection:
            connection.execute(delete(TICKETS).where(TICKETS.c.ticket == _stored(ticket)))


def _stored(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
