"""`GET /jupyter_secure/datasets?path=`: what I may use here, and as what."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.protocol.messages import PanelCatalog

from .base import RESOURCE, SecureHandler


class DatasetsHandler(SecureHandler):
    """The catalog."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        """Answer with a `CatalogReply`."""
        self.reply(await self.ask(self.asked(PanelCatalog, ticket=self.ticket, grant=self.grant)))
