"""`GET /jupyter_secure/mfa`: my second factors and what waits for one. `POST` with a message of the family `Mfa...`.

The body is the JSON of the message without its ticket, which is always the one of whoever is logged in.
"""

from __future__ import annotations

from typing import Any

import msgspec
from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import MfaRequest, MfaState
from jupyter_secure.server.refusal import RefusalError

from .base import RESOURCE, SecureHandler


class MfaHandler(SecureHandler):
    """Codes and assertions go on to the broker; they are not kept and not logged."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        """Answer with an `MfaStateReply`."""
        self.reply(await self.ask(MfaState(ticket=self.ticket)))

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        """Answer as the message says."""
        self.reply(await self.ask(self._message()))

    def _message(self) -> MfaRequest:
        try:
            body = msgspec.json.decode(self.request.body, type=dict[str, Any])
            return msgspec.convert({**body, "ticket": self.ticket}, MfaRequest)
        except msgspec.MsgspecError:
            raise RefusalError(InvalidRequestError()) from None
