"""The one map from the error family to HTTP: status from the class, body `{code, public}`."""

from __future__ import annotations

from typing import Any

from tornado.web import HTTPError

from jupyter_secure.protocol.errors import SecureError

_BY_STATUS = {
    400: ("invalid", "That request is not well formed."),
    401: ("unauthenticated", "Log in first."),
    403: ("forbidden", "Your roles do not permit that here. Ask a data steward."),
    404: ("refused", "There is nothing of that name for you here."),
    405: ("invalid", "That cannot be done here."),
}


class RefusalError(HTTPError):
    """A SecureError on its way to a browser."""

    def __init__(self, error: SecureError) -> None:
        # The sentence is an argument, not the format: a per cent sign in it means itself.
        super().__init__(error.status, "%s", error.public)
        self.error = error


def body(status: int, raised: BaseException | None) -> dict[str, Any]:
    """Return the JSON body for an error of any kind."""
    if isinstance(raised, RefusalError):
        return {"code": raised.error.code, "public": raised.error.public}
    code, public = _BY_STATUS.get(status, (SecureError.code, SecureError.default))
    return {"code": code, "public": public}
