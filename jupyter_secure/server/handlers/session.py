"""`GET /jupyter_secure/session?path=`: who I am, whether the vault is open, how confined this notebook's kernel is."""

from __future__ import annotations

from typing import Literal

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.grant import GuardReport
from jupyter_secure.protocol.messages import Network, NetworkReply, State, StateReply
from jupyter_secure.protocol.noun import Noun
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.server.refusal import RefusalError

from .base import RESOURCE, SecureHandler


class KernelState(Noun):
    """The person's kernel for the notebook.

    Attributes:
        guard: as the broker counts it; as measured here, until the broker knows the kernel.
        granted: whether it does.
        network: a sentence of the broker's on what the kernel reaches; empty until it knows the kernel.
    """

    id: str
    guard: GuardReport
    granted: bool
    network: str


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
        return SessionState(
            user=session.principal,
            vault=await self._vault(),
            kernel=await self._kernel(),
            notebook=self.notebook,
        )

    async def _kernel(self) -> KernelState | None:
        kernel = self.kernel_session
        if kernel is None:
            return None
        guard = kernel.grant.guard if kernel.grant else kernel.report
        granted = kernel.grant is not None
        return KernelState(id=kernel.kernel, guard=guard, granted=granted, network=await self._network())

    async def _network(self) -> str:
        if self.grant is None:
            return ""
        try:
            reply = await self.ask(Network(ticket=self.ticket, grant=self.grant))
        except RefusalError:
            return ""
        return reply.sentence if isinstance(reply, NetworkReply) else ""

    async def _vault(self) -> Literal["unlocked", "locked", "down"]:
        try:
            state = await self.ask(State())
        except RefusalError:
            return "down"
        return state.vault if isinstance(state, StateReply) else "down"
