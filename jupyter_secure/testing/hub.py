"""A small real JupyterHub API, for tests without a Hub: it says whose a token is, and can be away.

It speaks `GET /hub/api/user` and `GET /hub/api/` as JupyterHub 6 does: 403 for a token that it does not know, else the
owner's model with the scopes that the token has now.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

ROLE = "custom:jupyter-secure:role:"


class HubApi:
    """The API.

    Attributes:
        asked: how many tokens it was asked about.
        broken: answer every question with this status.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.broken: int | None = None
        self.port = 0
        self._tokens: dict[str, dict[str, Any]] = {}
        self._server: HTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/hub/api"

    def start(self) -> None:
        """Answer, at the same port as before."""
        routes: list[Any] = [(r"/hub/api/user", _User, {"hub": self}), (r"/hub/api/?", _Version)]
        sockets = bind_sockets(self.port, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        self._server = HTTPServer(Application(routes, log_function=lambda _: None))
        self._server.add_sockets(sockets)

    async def stop(self) -> None:
        """Be away."""
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()

    def token(self, user: str, roles: Iterable[str] = (), server: str | None = "", **model: Any) -> str:
        """Return a new token of a user's server, or with None of the user alone; `model` overrides what it answers."""
        token = secrets.token_hex(16)
        access = f"access:servers!user={user}" if server is None else f"access:servers!server={user}/{server}"
        scopes = [access, f"users:activity!user={user}", *(ROLE + role for role in roles)]
        self._tokens[token] = {"kind": "user", "name": user, "admin": False, "groups": [], "scopes": scopes, **model}
        return token

    def revoke(self, token: str) -> None:
        """Forget a token."""
        del self._tokens[token]

    def scopes(self, token: str, roles: Iterable[str]) -> None:
        """Replace the roles that a token has."""
        model = self._tokens[token]
        kept = [scope for scope in model["scopes"] if not scope.startswith(ROLE)]
        model["scopes"] = [*kept, *(ROLE + role for role in roles)]

    def model(self, token: str) -> dict[str, Any]:
        """Return what it says of a token.

        Raises:
            HTTPError: 403, nothing.
        """
        self.asked += 1
        if self.broken is not None:
            raise HTTPError(self.broken)
        if token not in self._tokens:
            raise HTTPError(403)
        return {**self._tokens[token], "token_id": "a1", "session_id": None}


class _User(RequestHandler):
    def initialize(self, hub: HubApi) -> None:
        self.hub = hub

    def get(self) -> None:
        self.write(self.hub.model(self.request.headers.get("Authorization", "").removeprefix("token ")))


class _Version(RequestHandler):
    def get(self) -> None:
        self.write({"version": "6.1.1"})
