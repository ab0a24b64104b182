"""`GET /jupyter_secure/budget?path=`: what is left to spend."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.protocol.messages import PanelBudget

from .base import RESOURCE, SecureHandler


class BudgetHandler(SecureHandler):
    """The gauges."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        """Answer with a `BudgetReply`."""
        self.reply(await self.ask(self.asked(PanelBudget, ticket=self.ticket, grant=self.grant)))
