"""On a server of JupyterHub: the Hub says who comes, and the owner alone may enter.

JupyterHub's own identity provider stays; the broker proves the owner anew by the server's token. Promises: whoever is
not the owner (a guest of a shared server, a collaborator, an administrator who looks in) is refused everything, because
kernels, notebooks and outputs here hold what was granted to the owner; the token is read once, from the environment of
this process, and a kernel's environment is an allow-list that does not name it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_server.base.handlers import JupyterHandler

from jupyter_secure.protocol.errors import InstallationError, SecureError
from jupyter_secure.protocol.messages import Session, WhoAmI

from .authorizer import WORK, SecureAuthorizer
from .identity import FRESH, PATIENCE
from .sessions import Person

_NO_HUB = (
    "SecureApp.broker names the broker of a JupyterHub, and this server was not started by one. "
    "Leave SecureApp.broker out to work with a vault of your own."
)


@dataclass(frozen=True)
class HubServer:
    """What JupyterHub told this process.

    Attributes:
        owner: whose server it is.
        token: the server's own.
    """

    owner: str
    token: str = field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> HubServer:
        """Read the environment.

        Raises:
            InstallationError: no Hub started this process.
        """
        owner, token = environment.get("JUPYTERHUB_USER"), environment.get("JUPYTERHUB_API_TOKEN")
        if not owner or not token:
            raise InstallationError(_NO_HUB)
        return cls(owner, token)


class HubPeople:
    """The owner, and nobody.

    Args:
        owner: the Hub's name of him.
        upstream: the broker.
    """

    def __init__(self, owner: str, upstream: Any) -> None:
        self._owner = owner
        self._upstream = upstream
        self._known: tuple[float, Session] | None = None

    def ticket(self, _handler: JupyterHandler) -> str:
        """Return nothing: the server's token stands for the owner, beside each message."""
        return ""

    def person(self, _handler: JupyterHandler, user: Any) -> Person | None:
        """Return the owner, None for everybody else."""
        return Person(self._owner, "") if getattr(user, "username", None) == self._owner else None

    async def whoami(self, _handler: JupyterHandler) -> Session:
        """Return what the broker says of the owner, within the last `FRESH` seconds.

        Raises:
            SecureError: the server's token does not hold, or the broker cannot be asked.
        """
        if self._known is not None and self._known[0] > time.monotonic():
            return self._known[1]
        reply, _ = await self._upstream.request(WhoAmI(ticket=""), patience=PATIENCE)
        if not isinstance(reply, Session):
            raise SecureError(detail=f"{type(reply).__name__} instead of a session")
        self._known = (time.monotonic() + FRESH, reply)
        return reply


class HubAuthorizer(SecureAuthorizer):
    """The table for those who work, and the owner of the server."""

    def person(self, handler: JupyterHandler, user: Any) -> Person | None:
        """Return the owner, None for everybody else."""
        return handler.settings["jupyter_secure"].people.person(handler, user)

    def permits(self, _user: Any, action: str, resource: str) -> bool:
        """Say what the table says of whoever works here; what the owner may see of data is policy's business."""
        return (resource, action) in WORK


def here() -> HubServer:
    """Return what JupyterHub told this process.

    Raises:
        InstallationError: no Hub started it.
    """
    return HubServer.of(os.environ)
