"""`GET /oidc/start` and `GET /oidc/callback`: the doors for browsers, to the identity provider and back.

Promises: they open only to a page that a person goes to, never to a frame or a script; they show no data and know
nobody: a challenge's number leads in, and what the provider signed about its person leads out; the secret of a journey
is a cookie that no script reads, sent to these two doors alone, and is worth nothing after the return.
"""

from __future__ import annotations

import html
import logging
from typing import Any
from urllib.parse import urlsplit

from jupyter_secure.broker.authn.identity_provider import START
from jupyter_secure.broker.authn.journey import Journeys, Returned
from jupyter_secure.broker.challenges import LIFETIME, REQUEST, Challenge
from jupyter_secure.protocol.errors import InvalidRequestError, SecondFactorError, SecureError, UnavailableError

from .doors import STOPPING, Door, TurnedAwayError
from .serving import Serving

LOG = logging.getLogger("jupyter_secure.broker")
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    "<h1>{title}</h1><p>{sentence}</p></html>"
)
_BACK = "You can close this page and go back to your notebook."
_NO_COOKIE = "This login was not begun in this browser, or is over. Begin again from the Secure Data sidebar."


class BrowserDoor(Door):
    """A door for a person's browser."""

    journeys: Journeys
    public: str

    def initialize(self, service: Serving, journeys: Journeys | None = None, public: str = "") -> None:
        """Remember the service, the journeys and where browsers find the doors."""
        super().initialize(service)
        assert journeys is not None
        self.journeys, self.public = journeys, public

    def prepare(self) -> None:
        """Refuse frames, scripts and, while the service stops, everybody.

        Raises:
            TurnedAwayError: as said.
        """
        if any(self.request.headers.get(name, value) != value for name, value in NAVIGATION.items()):
            raise TurnedAwayError(InvalidRequestError("Open this address as a page of its own."), 403)
        if self.service.stopping:
            raise TurnedAwayError(UnavailableError(STOPPING))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer every failure as a page with its sentence."""
        raised = kwargs.get("exc_info", (None, None, None))[1]
        error = raised.error if isinstance(raised, TurnedAwayError) else None
        if error is None:
            error = SecureError() if status_code >= 500 else InvalidRequestError()
        self.service.meters.turned_away.labels(error.code).inc()
        self.set_status(status_code)
        self.page("Not verified", error.public)

    def page(self, title: str, sentence: str) -> None:
        """Answer with a page that is one sentence."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        _ = self.finish(_PAGE.format(title=html.escape(title), sentence=html.escape(sentence)))

    def only(self, name: str) -> str | None:
        """Return what the address says under a name, None unless it says so once."""
        found = self.get_query_arguments(name)
        return found[0] if len(found) == 1 else None

    @property
    def cookie(self) -> dict[str, Any]:
        """Return name and attributes of the cookie."""
        encrypted = self.public.startswith("https:")
        path = urlsplit(self.public).path.rstrip("/") + START.rpartition("/")[0]
        name = "__Secure-jupyter-secure-journey" if encrypted else "jupyter-secure-journey"
        return {"name": name, "path": path, "secure": encrypted, "httponly": True, "samesite": "Lax"}


class StartHandler(BrowserDoor):
    """The way out."""

    async def get(self) -> None:
        """Send the browser to the provider."""
        number = self.only("challenge")
        if number is None:
            raise TurnedAwayError(InvalidRequestError())
        try:
            address, secret = await self.journeys.begin(number)
        except SecureError as error:
            raise turned_away(error) from None
        self.set_cookie(value=secret, max_age=LIFETIME // 1000, **self.cookie)
        self.redirect(address)


class CallbackHandler(BrowserDoor):
    """The way back."""

    async def get(self) -> None:
        """Take what the browser brings, and tell the person what came of it."""
        secret = self.get_cookie(self.cookie["name"])
        if not secret:
            raise TurnedAwayError(SecondFactorError(_NO_COOKIE))
        returned = Returned(*(self.only(name) for name in ("state", "code", "iss", "error")))
        try:
            challenge = await self.journeys.finish(secret, returned)
        except SecureError as error:
            raise turned_away(error) from None
        cookie = self.cookie
        self.clear_cookie(cookie.pop("name"), **cookie)
        await self.service.listeners.changed(None, challenge.user)
        self.page("Verified", f"{verified(challenge)} {_BACK}")


def verified(challenge: Challenge) -> str:
    """Return what was verified, in words."""
    if challenge.use != REQUEST:
        return "You proved who you are."
    about = challenge.about
    purpose = f" for {about['purpose']}" if about["purpose"] else ""
    return f"You permitted {about['dataset']} as {about['rung']}{purpose} to {about['notebook']}."


def turned_away(error: SecureError) -> TurnedAwayError:
    """Log what is private about an error, and turn the browser away."""
    if error.detail:
        LOG.info("%s: %s", error.code, error.detail)
    return TurnedAwayError(error)
