"""The login page: name and password, in one page without scripts or outside resources."""

from __future__ import annotations

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.login import LoginFormHandler
from jupyter_server.base.handlers import JupyterHandler

from jupyter_secure.protocol.errors import SecureError, UnauthenticatedError

LONGEST_NAME, LONGEST_PASSWORD = 63, 1024  # as the form and the protocol have them
TEMPLATE = "secure_login.html"


class LoginHandler(LoginFormHandler):
    """`GET /login` shows the form, `POST /login` proves the person and goes on to `next`."""

    @allow_unauthenticated
    def get(self) -> None:
        """Show the form, or go on if somebody is logged in already."""
        if self.current_user:
            self._redirect_safe(self.get_argument("next", default=self.base_url))
        else:
            self._show()

    @allow_unauthenticated
    async def post(self) -> None:
        """Prove the person."""
        name = self.get_body_argument("username", default="")
        password = self.get_body_argument("password", default="", strip=False)
        try:
            if not (0 < len(name) <= LONGEST_NAME and 0 < len(password) <= LONGEST_PASSWORD):
                raise UnauthenticatedError("Type your name and your password.")
            await self.identity_provider.login(self, name, password)
        except SecureError as error:
            self._show(error, name)
        else:
            self._redirect_safe(self.get_argument("next", default=self.base_url))

    def _show(self, error: SecureError | None = None, name: str = "") -> None:
        if error is not None:
            self.set_status(error.status)
        self.set_header("Cache-Control", "no-store")
        self.write(
            self.render_template(
                TEMPLATE,
                next=self.get_argument("next", default=self.base_url),
                message="" if error is None else error.public,
                typed=name[:LONGEST_NAME],
            )
        )


class LogoutHandler(JupyterHandler):
    """`GET /logout` ends the ticket and shows the form again."""

    @allow_unauthenticated
    async def get(self) -> None:
        """End the session of this browser."""
        await self.identity_provider.logout(self)
        self.redirect(self.settings["login_url"])
