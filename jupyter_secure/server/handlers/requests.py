"""`/jupyter_secure/requests`: ask for access, decide what others ask for, end it; `/jupyter_secure/acknowledge`.

Who may do which is the broker's business; here the person's ticket is put beside what the browser posted.
"""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.protocol.messages import Acknowledge, AskAccess, Decide, ListRequests, PanelAsk, Revoke

from .base import RESOURCE, SecureHandler


class RequestsHandler(SecureHandler):
    """Requests, the own and, for whom decides, everybody's."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        """Answer with a `RequestsReply`."""
        self.reply(await self.ask(ListRequests(ticket=self.ticket)))

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        """Ask `{dataset, rung, purpose, reason, days}`; answer with an `AccessReply`."""
        self.reply(await self.ask(PanelAsk(ticket=self.ticket, ask=self.posted(AskAccess))))


class DecideHandler(SecureHandler):
    """Approve or deny."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        """Decide `{request, approve, days, note}`; answer with an `AccessReply`."""
        self.reply(await self.ask(self.posted(Decide, ticket=self.ticket)))


class RevokeHandler(SecureHandler):
    """End an approval, or withdraw a request."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        """End `{request, note}`; answer with an `AccessReply`."""
        self.reply(await self.ask(self.posted(Revoke, ticket=self.ticket)))


class AcknowledgeHandler(SecureHandler):
    """Acknowledge the text of a purpose."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        """Acknowledge `{purpose, digest}`; answer with `Done`."""
        self.reply(await self.ask(self.posted(Acknowledge, ticket=self.ticket)))
