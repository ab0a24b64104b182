"""Who is logged in: the broker's accounts as Jupyter's identity provider.

The cookie holds a ticket of the broker and nothing else; who that is, and with which roles, is asked of the broker at
each request and remembered for `FRESH` seconds at most. Promises: no token opens this server; a broker that cannot be
asked makes nobody, it makes the answer 503, and nobody is logged out by it; logout ends the ticket at the broker.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.base.call_context import CallContext
from jupyter_server.base.handlers import JupyterHandler
from traitlets import default, validate

from jupyter_secure.protocol.errors import SecureError, UnauthenticatedError
from jupyter_secure.protocol.messages import Login, Logout, Session, WhoAmI

from .refusal import RefusalError
from .sessions import Person

FRESH = 1.0  # seconds
PATIENCE = 15.0
REMEMBERED = 1000  # tickets; beyond it the cache is emptied
COOKIE_DAYS = 0.5  # as long as a ticket lives


@dataclass
class SecureUser(User):
    """Jupyter's user with the roles of now. `role` is for the eye, `roles` for the authorizer."""

    role: str = ""
    roles: tuple[str, ...] = ()


class SecureIdentityProvider(IdentityProvider):
    """Asks the broker."""

    @default("token")
    def _no_token(self) -> str:
        return ""

    @validate("token")
    def _still_no_token(self, _proposal: Any) -> str:
        return ""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.updatable_fields = []
        self._sessions: dict[str, tuple[float, Session]] = {}

    def get_handlers(self) -> list[tuple[str, object]]:
        """Return our login and logout at the usual places, whatever is configured."""
        from .login import LoginHandler, LogoutHandler

        return [(r"/login", LoginHandler), (r"/logout", LogoutHandler)]

    async def get_user(self, handler: JupyterHandler) -> SecureUser | None:
        """Return who is asking, None if nobody.

        Raises:
            RefusalError: the broker cannot be asked now.
        """
        ticket = self.ticket(handler)
        if not ticket:
            return None
        try:
            return _user(await self.whoami(handler, ticket))
        except UnauthenticatedError:
            self.clear_login_cookie(handler)
            return None
        except SecureError as error:
            # The error page asks who the user is, so the answer has to stand before it is drawn.
            handler.current_user = handler._jupyter_current_user = None  # noqa: SLF001 - Jupyter's own protocol
            raise RefusalError(error) from None

    async def whoami(self, handler: JupyterHandler, ticket: str) -> Session:
        """Return what the broker said of a ticket within the last `FRESH` seconds.

        Raises:
            SecureError: the ticket does not hold, or the broker cannot be asked.
        """
        known = self._sessions.get(ticket)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        self._sessions.pop(ticket, None)
        session = await self._ask(handler, WhoAmI(ticket=ticket))
        if len(self._sessions) >= REMEMBERED:
            self._sessions.clear()
        self._sessions[ticket] = (time.monotonic() + FRESH, session)
        return session

    async def login(self, handler: JupyterHandler, name: str, password: str) -> SecureUser:
        """Prove a person and set the cookie.

        Raises:
            SecureError: not proved, or the broker cannot be asked.
        """
        session = await self._ask(handler, Login(user=name, password=password))
        options = {"httponly": True, "samesite": "Lax", "path": handler.base_url, "expires_days": COOKIE_DAYS}
        if handler.request.protocol == "https" or self.secure_cookie:
            options["secure"] = True
        handler.set_secure_cookie(self.get_cookie_name(handler), session.ticket, **options)
        return _user(session)

    async def logout(self, handler: JupyterHandler) -> None:
        """End the ticket and take the cookie back. A broker that is away loses nothing: the ticket expires."""
        ticket = self.ticket(handler)
        self.clear_login_cookie(handler)
        if ticket:
            self._sessions.pop(ticket, None)
            with contextlib.suppress(SecureError):
                await _upstream(handler).request(Logout(ticket=ticket), patience=PATIENCE)

    def ticket(self, handler: JupyterHandler) -> str:
        """Return the ticket of a request, empty if it has none."""
        cookie = handler.get_secure_cookie(self.get_cookie_name(handler))
        return "" if cookie is None else cookie.decode("ascii", "replace")

    async def _ask(self, handler: JupyterHandler, body: Login | WhoAmI) -> Session:
        reply, _ = await _upstream(handler).request(body, patience=PATIENCE)
        if not isinstance(reply, Session):
            raise SecureError(detail=f"{type(reply).__name__} instead of a session")
        return reply


class LocalPeople:
    """Those who log in here, for the rest of the server; on a Hub `hub.HubPeople` stands in this place."""

    def ticket(self, handler: JupyterHandler) -> str:
        """Return the ticket of a request."""
        return handler.identity_provider.ticket(handler)

    def person(self, handler: JupyterHandler, user: Any) -> Person | None:
        """Return the person whom our identity provider has proved, None for any other user."""
        return Person(user.username, self.ticket(handler)) if isinstance(user, SecureUser) else None

    async def whoami(self, handler: JupyterHandler) -> Session:
        """Return what the broker says of the person.

        Raises:
            SecureError: the ticket does not hold, or the broker cannot be asked.
        """
        return await handler.identity_provider.whoami(handler, self.ticket(handler))


def person_asking() -> Person | None:
    """Return the person of the request under way, None outside a request."""
    handler = CallContext.get(CallContext.JUPYTER_HANDLER)
    user = getattr(handler, "_jupyter_current_user", None)
    return None if user is None else handler.settings["jupyter_secure"].people.person(handler, user)


def _user(session: Session) -> SecureUser:
    person = session.principal
    role = ", ".join(person.roles) or "no role"
    shown = f"{person.display_name} ({role})"
    initials = "".join(word[0] for word in person.display_name.split()[:2]).upper()
    return SecureUser(person.name, person.display_name, shown, initials, role=role, roles=person.roles)


def _upstream(handler: JupyterHandler) -> Any:
    return handler.settings["jupyter_secure"].upstream
