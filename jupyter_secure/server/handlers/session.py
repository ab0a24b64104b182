"""`GET /jupyter_secure/session?path=`: who I am, whether the vault is open, how confined this notebook's kernel is."""

from __future__ import annotations

from typing import Literal

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.grant import GuardReport
from jupyter_secure.protocol.messages import State, StateReply
from jupyter_secure.protocol.noun import Noun
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.server.refusal import RefusalError

from .base import RESOURCE, SecureHandler


class KernelState(Noun):
    """The person's kernel for the notebook; `granted` says whether the broker knows it yet."""

    id: str
    guard: GuardReport
    granted: bool


class SessionState(Noun):
    """What the head of the panel shows."""

    user: Principal
    vault: Literal["unlocked", "locked", "down"]
    kernel: KernelState | None
    notebook: str


class SessionHandler(SecureHandler):
    """Who, how confined, open or not."""

    @web.authenticated
    @authorized("read", resource=RESOURCE)
    async def get(self) -> None:
        """Answer with a `SessionState`."""
        self.reply(await self._state())

    async def _state(self) -> SessionState:
        try:
            session = await self.app.people.whoami(self)
        except SecureError as error:
            raise RefusalError(error) from None
        kernel = self.kernel_session
        return SessionState(
            user=session.principal,
            vault=await self._vault(),
            kernel=kernel and KernelState(id=kernel.kernel, guard=kernel.report, granted=kernel.grant is not None),
            notebook=self.notebook,
        )

    async def _vault(self) -> Literal["unlocked", "locked", "down"]:
        try:
            state = await self.ask(State())
        except RefusalError:
            return "down"
        return state.vault if isinstance(state, StateReply) else "down"
