"""Who asks: the one seam between a desk and what proves people.

On a laptop a person shows a *ticket* in the message, made by a login. On a Hub the person's server shows a *token*
beside the message, and the Hub says whose it is; messages then carry an empty ticket. Both strategies are asked at each
request, so that what was taken away is gone at the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Connection, Engine

from jupyter_secure.broker.authn.accounts import Accounts, active
from jupyter_secure.broker.authn.hub import Hub, Proved, presented
from jupyter_secure.broker.authn.tickets import Tickets
from jupyter_secure.protocol.errors import InvalidRequestError, UnauthenticatedError
from jupyter_secure.protocol.grant import Grant, GuardLevel, GuardReport
from jupyter_secure.protocol.messages import Session
from jupyter_secure.protocol.principal import Principal

LOG = logging.getLogger("jupyter_secure.broker")
_NOT_YOURS = "This kernel's grant belongs to another person or server. Restart the kernel."
_NO_SERVER = "A kernel is opened by a server of the Hub with the server's own token, and this token is of none."
_NO_PERSON = "That token belongs to a service of the Hub. Data is for people."
_DECLARED = "this deployment is declared {level} by its operator"


class Identify(Protocol):
    """How a desk learns who asks.

    Attributes:
        logins: whether people log in, out and unlock here, with messages of their own.
        declared: the guard level that counts at most, whatever relays measure.
    """

    logins: bool
    declared: GuardLevel

    def admit(self, connection: Connection, user: str) -> Principal | None:
        """Say inside a transaction whether a person may hold a grant; return the person, if that is known here.

        Raises:
            UnauthenticatedError: the person has no place here (any more).
        """

    async def who(self, ticket: str) -> Session:
        """Return the person who asks, with the roles of now.

        Raises:
            UnauthenticatedError: nobody, or a proof that has lapsed.
            UnavailableError: whoever could say so cannot be asked.
        """

    async def holder(self, grant: Grant, admitted: Principal | None) -> Principal:
        """Return the person for whom a grant's kernel asks, with the roles of now; `admitted` is whom `admit` returned.

        Raises:
            UnauthenticatedError: the account is gone, or whoever shows the grant is not whom it was minted for.
        """

    async def own(self, grant: Grant) -> None:
        """Refuse whoever shows a grant that was minted for somebody else, where the relay is not trusted.

        Raises:
            UnauthenticatedError: as said.
        """

    async def server(self) -> str | None:
        """Return which server of the Hub asks, None on a laptop.

        Raises:
            UnauthenticatedError: the proof is of no server.
        """

    def believed(self, guard: GuardReport) -> GuardReport:
        """Return as much of a relay's measurement as counts."""


class LocalTickets:
    """Accounts and tickets of this vault; the relay is the server that started the broker."""

    logins = True
    declared = GuardLevel.G4

    def __init__(self, engine: Engine, now: Callable[[], int]) -> None:
        self._accounts = Accounts(engine, now)
        self._tickets = Tickets(engine, now)

    def admit(self, connection: Connection, user: str) -> Principal:
        """Demand an active account."""
        return active(connection, user)

    async def who(self, ticket: str) -> Session:
        """See `Identify`."""
        return self._tickets.whoami(ticket)

    async def holder(self, grant: Grant, admitted: Principal | None) -> Principal:
        """See `Identify`."""
        return admitted or self._accounts.get(grant.user)

    async def own(self, grant: Grant) -> None:
        """Believe the relay: it alone has the socket."""

    async def server(self) -> None:
        """See `Identify`."""
        return

    def believed(self, guard: GuardReport) -> GuardReport:
        """Believe the relay, which started the kernel."""
        return guard


class HubTokens:
    """Tokens of a Hub; nothing that a relay says of itself is believed.

    Args:
        hub: where tokens are shown.
        declared: what the operator vouches for; a relay's measurement counts up to it.
    """

    logins = False

    def __init__(self, hub: Hub, declared: GuardLevel = GuardLevel.G0) -> None:
        self._hub = hub
        self.declared = declared

    def admit(self, connection: Connection, user: str) -> None:
        """Admit everybody: the Hub is asked at each request."""

    async def who(self, ticket: str) -> Session:
        """See `Identify`."""
        if ticket:
            raise InvalidRequestError(detail="a ticket where tokens prove people")
        proved, person = await self._proved()
        return Session(principal=person, ticket="", expires_at=proved.expires_at)

    async def holder(self, grant: Grant, admitted: Principal | None = None) -> Principal:
        """See `Identify`."""
        del admitted  # nobody: the Hub alone knows people
        proved, person = await self._proved()
        if (person.name, proved.server) != (grant.user, grant.server) or proved.server is None:
            LOG.warning("a grant was shown beside a token of another person or server")
            raise UnauthenticatedError(_NOT_YOURS)
        return person

    async def own(self, grant: Grant) -> None:
        """See `Identify`."""
        await self.holder(grant)

    async def server(self) -> str:
        """See `Identify`."""
        proved, _ = await self._proved()
        if proved.server is None:
            raise UnauthenticatedError(_NO_SERVER)
        return proved.server

    def believed(self, guard: GuardReport) -> GuardReport:
        """Return the measurement, at most as high as declared."""
        if self.declared.reaches(guard.level):
            return guard
        told: dict[str, Any] = {name: getattr(guard, name) for name in ("layers", "canaries", "outside")}
        missing = (*guard.missing, _DECLARED.format(level=self.declared))
        return GuardReport(level=self.declared, missing=missing, **told)

    async def _proved(self) -> tuple[Proved, Principal]:
        proved = await self._hub.introspect(presented())
        if proved.principal is None:
            raise UnauthenticatedError(_NO_PERSON)
        return proved, proved.principal
