"""What every door of the service checks before it opens.

Promises: the `Authorization` header is the one thing that proves anybody; a request that a browser could have been made
to send (cookies, an origin, fetch metadata) is refused whatever else it holds, so there is nothing to forge across
sites; who a proxy or the client says he is counts for nothing; every answer carries the same headers and no stranger's
page may read it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from tornado.web import HTTPError, RequestHandler

from jupyter_secure.broker.authn.hub import Proved
from jupyter_secure.protocol.errors import InvalidRequestError, SecureError, UnauthenticatedError, UnavailableError

from .serving import Serving

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
# What browsers add and relays do not.
OF_BROWSERS = ("Cookie", "Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Access-Control-Request-Method")
STOPPING = "The broker is being restarted. Run the cell again in a moment; nothing was lost."
_BROWSER = "The broker answers servers of JupyterHub, not browsers."
_UNSEEN = "Show the server's token in the Authorization header."


class TurnedAwayError(HTTPError):
    """A SecureError before anything was answered."""

    def __init__(self, error: SecureError, status: int | None = None) -> None:
        super().__init__(status or error.status)
        self.error = error


class Door(RequestHandler):
    """A handler of the service."""

    service: Serving

    def initialize(self, service: Serving) -> None:
        """Remember the service."""
        self.service = service

    def set_default_headers(self) -> None:
        """Set the same headers on every answer, and none that names the software."""
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def check_etag_header(self) -> bool:
        """Compare nothing: answers are not cached."""
        return False

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer every failure as `{code, public}`."""
        raised = kwargs.get("exc_info", (None, None, None))[1]
        error = raised.error if isinstance(raised, TurnedAwayError) else None
        if error is None:
            error = SecureError() if status_code >= 500 else InvalidRequestError()
        self.service.meters.turned_away.labels(error.code).inc()
        self.set_status(status_code)
        self.set_header("Content-Type", "application/json")
        _ = self.finish(msgspec.json.encode({"code": error.code, "public": error.public}))

    def log_exception(self, *args: Any) -> None:
        """Log faults of our own; what a client did wrong is counted."""
        if not isinstance(args[1], HTTPError):
            super().log_exception(*args)


class ProvedDoor(Door):
    """A door for those whom the Hub knows.

    Attributes:
        token: what was shown.
        proved: what the Hub says of it.
    """

    token: str
    proved: Proved

    async def prepare(self) -> None:
        """Refuse browsers and everybody without a token that holds.

        Raises:
            TurnedAwayError: as said.
        """
        if any(name in self.request.headers for name in OF_BROWSERS):
            raise TurnedAwayError(InvalidRequestError(_BROWSER), 403)
        with self.service.arriving():
            self._refuse_if_stopping()
            self.token = bearer(self.request.headers.get_list("Authorization"))
            try:
                self.proved = await self.service.hub.introspect(self.token)
            except SecureError as error:
                raise TurnedAwayError(error) from None
            self._refuse_if_stopping()  # asking the Hub took a while; from here on it is let end

    def _refuse_if_stopping(self) -> None:
        if self.service.stopping:
            self.set_header("Connection", "close")
            raise TurnedAwayError(UnavailableError(STOPPING))

    @property
    def user(self) -> str:
        """The person's name.

        Raises:
            TurnedAwayError: a service's token.
        """
        if self.proved.principal is None:
            raise TurnedAwayError(UnauthenticatedError("That token belongs to a service of the Hub."))
        return self.proved.principal.name


def bearer(headers: list[str]) -> str:
    """Return the token of the one `Authorization` header.

    Raises:
        TurnedAwayError: there is none, several, or one of another kind.
    """
    if len(headers) == 1:
        scheme, _, token = headers[0].partition(" ")
        if scheme.lower() in {"token", "bearer"} and token:
            return token.strip()
    raise TurnedAwayError(UnauthenticatedError(_UNSEEN))
