"""`POST /jupyter_secure/unlock {passphrase}`: open the vault from the panel."""

from __future__ import annotations

import msgspec
from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import Secret, Unlock
from jupyter_secure.protocol.noun import Noun
from jupyter_secure.server.refusal import RefusalError

from .base import RESOURCE, SecureHandler


class Passphrase(Noun):
    """The body of the request."""

    passphrase: Secret

    def __repr__(self) -> str:
        """Return the name alone."""
        return "Passphrase(...)"


class UnlockHandler(SecureHandler):
    """The passphrase goes on to the broker; it is not kept and not logged."""

    @web.authenticated
    @authorized("write", resource=RESOURCE)
    async def post(self) -> None:
        """Answer with a `StateReply`."""
        reply = await self.ask(Unlock(passphrase=self._typed(), ticket=self.ticket))
        self.app.sessions.reopen()
        self.app.changed.ping()
        self.reply(reply)

    def _typed(self) -> str:
        try:
            return msgspec.json.decode(self.request.body, type=Passphrase).passphrase
        except msgspec.DecodeError:
            raise RefusalError(InvalidRequestError()) from None
