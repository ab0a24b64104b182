"""`GET /jupyter_secure/log?path=&before=&limit=`: who asked for what, newest first. Without a path: all notebooks."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.protocol.messages import PanelLog

from .base import RESOURCE, SecureHandler


class LogHandler(SecureHandler):
    """The access log; the broker decides whose entries one may read."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        """Answer with a `LogReply`."""
        page = {name: self.get_query_argument(name, None) for name in ("before", "limit")}
        self.reply(await self.ask(self.asked(PanelLog, ticket=self.ticket, notebook=self.notebook or None, **page)))
