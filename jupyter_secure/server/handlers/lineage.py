"""`GET /jupyter_secure/lineage?path=`: what a notebook derives from."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.protocol.messages import PanelLineage

from .base import RESOURCE, SecureHandler


class LineageHandler(SecureHandler):
    """The graph."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        """Answer with a `LineageReply`."""
        self.reply(await self.ask(self.asked(PanelLineage, ticket=self.ticket, notebook=self.notebook)))
