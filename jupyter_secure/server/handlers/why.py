"""`GET /jupyter_secure/why?path=&dataset=&column=`: why columns come out as they do."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.protocol.messages import PanelWhy

from .base import RESOURCE, SecureHandler


class WhyHandler(SecureHandler):
    """The reasons."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        """Answer with a `WhyReply`."""
        dataset = self.get_query_argument("dataset", "")
        column = self.get_query_argument("column", None, strip=False)
        self.reply(
            await self.ask(self.asked(PanelWhy, ticket=self.ticket, grant=self.grant, dataset=dataset, column=column))
        )
