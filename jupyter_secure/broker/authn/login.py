"""One login: limit, verify, ticket, in this order."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from jupyter_secure.protocol.messages import Session

from .accounts import Accounts
from .limiter import Limiter
from .tickets import Tickets


class Login:
    """The door for people. Safe to call from a few threads at once."""

    def __init__(self, engine: Engine, now: Callable[[], int], accounts: Accounts | None = None) -> None:
        self._accounts = accounts or Accounts(engine, now)
        self._tickets = Tickets(engine, now)
        self._limiter = Limiter(now)

    def login(self, user: str, password: str) -> Session:
        """Return the proved identity with its new ticket. Takes about a tenth of a second: call it in a thread.

        Raises:
            UnauthenticatedError: wrong, unknown, disabled, or too many attempts.
        """
        self._limiter.attempt(user)
        principal = self._accounts.verify_password(user, password)
        self._limiter.succeeded(user)
        ticket, expires = self._tickets.mint(principal.name)
        return Session(principal=principal, ticket=ticket, expires_at=expires)
