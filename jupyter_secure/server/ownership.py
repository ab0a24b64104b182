"""Jupyter's managers, made to show each person only his own kernels and sessions.

Two people may have one notebook open; each gets a kernel of his own, because a kernel carries its owner's grant.
Outside a request (culling, shutting down) nothing is hidden.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.sessions.sessionmanager import SessionManager
from tornado.web import HTTPError

from jupyter_secure.protocol.errors import SecureError, UnauthenticatedError

from .identity import person_asking
from .kernels import GuardedMappingKernelManager
from .sessions import NOTEBOOK, Sessions

RECHECK = 20.0  # seconds


def sessions_of(configurable: Any) -> Sessions:
    """Return the registry, from any object whose ancestor is the server."""
    while not hasattr(configurable, "web_app"):
        configurable = configurable.parent
    return configurable.web_app.settings["jupyter_secure"].sessions


class OwnedKernelManager(GuardedMappingKernelManager):
    """Guarded kernels, each for its owner."""

    def list_kernels(self) -> list[dict[str, Any]]:
        """Return the models of the asking person's kernels."""
        models = super().list_kernels()
        person = person_asking()
        if person is None:
            return models
        return [model for model in models if sessions_of(self).owns(person.name, model["id"])]

    def remove_kernel(self, kernel_id: str) -> Any:
        """Forget a kernel that is gone for good."""
        sessions_of(self).forget(kernel_id)
        return super().remove_kernel(kernel_id)


class OwnedSessionManager(SessionManager):
    """Sessions, each for the owner of its kernel."""

    async def list_sessions(self) -> list[dict[str, Any]]:
        """Return the asking person's sessions."""
        models = await super().list_sessions()
        person = person_asking()
        if person is None:
            return models
        return [model for model in models if sessions_of(self).owns(person.name, model["kernel"]["id"])]

    async def session_exists(self, path: str) -> bool:
        """Say whether the asking person has a session for a path."""
        return any(model["path"] == path for model in await self.list_sessions())

    async def get_session(self, **wanted: Any) -> dict[str, Any]:
        """Return one of the asking person's sessions.

        Raises:
            HTTPError: 404, he has none like that.
        """
        if set(wanted) == {"path"}:
            for model in await self.list_sessions():
                if model["path"] == wanted["path"]:
                    return model
            raise HTTPError(404, "There is no session of yours for that path.")
        model = await super().get_session(**wanted)
        person = person_asking()
        if person is not None and not sessions_of(self).owns(person.name, model["kernel"]["id"]):
            raise HTTPError(404, "There is no session of yours with that id.")
        return model

    async def start_kernel_for_session(
        self,
        session_id: str,
        path: str | None,
        name: Any,
        type: str | None,  # noqa: A002 - Jupyter's name
        kernel_name: Any,
        kernel_id: str | None = None,
    ) -> str:
        """Start a kernel and let its attachment know for which notebook."""
        token = NOTEBOOK.set(path if path and type == "notebook" else "")
        try:
            return await super().start_kernel_for_session(session_id, path, name, type, kernel_name, kernel_id)
        finally:
            NOTEBOOK.reset(token)

    async def save_session(self, session_id: str, **fields: Any) -> dict[str, Any]:
        """Save, and let a kernel that had no notebook follow the first one that uses it."""
        model = await super().save_session(session_id, **fields)
        if model["type"] == "notebook":
            sessions_of(self).moved(model["kernel"]["id"], "", model["path"])
        return model

    async def update_session(self, session_id: str, **changes: Any) -> None:
        """Update, and let the kernel follow a renamed notebook."""
        before = await self.get_session(session_id=session_id)
        await super().update_session(session_id, **changes)
        if before["type"] == "notebook" and changes.get("path"):
            sessions_of(self).moved(before["kernel"]["id"], before["path"], changes["path"])


class OwnedWebsocketConnection(ZMQChannelsWebsocketConnection):
    """A second lock on the way to a kernel: the connection itself asks whose the kernel is, and goes on asking.

    A login that ends (logout, expiry, disabled account) closes the connection within `RECHECK` seconds.
    """

    _recheck: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Refuse a kernel of somebody else before anything is joined or replaced.

        Raises:
            HTTPError: 403.
        """
        user = self.websocket_handler.current_user
        registry = self.websocket_handler.settings["jupyter_secure"].sessions
        if user is None or not registry.owns(user.username, self.kernel_id):
            raise HTTPError(403, "That kernel belongs to somebody else.")
        await super().prepare()
        self._recheck = asyncio.get_running_loop().create_task(self._keep_asking())

    def disconnect(self) -> None:
        """Stop asking."""
        if self._recheck is not None:
            self._recheck.cancel()
        super().disconnect()

    async def _keep_asking(self) -> None:
        handler = self.websocket_handler
        people = handler.settings["jupyter_secure"].people
        while True:
            await asyncio.sleep(RECHECK)
            try:
                await people.whoami(handler)
            except UnauthenticatedError:
                handler.close(code=4401, reason="Your login has ended.")
                return
            except SecureError:
                continue  # a broker that is being restarted ends nobody's login
