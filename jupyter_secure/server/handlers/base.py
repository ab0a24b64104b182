"""What all our handlers share: asking the broker as the person logged in, and one shape of error.

Each method of a handler stands under `@web.authenticated` and `@authorized(action, resource=RESOURCE)` with both
arguments written out: the decorator remembers them from its first call, so a shared or bare one would check the wrong
thing. A test walks all classes.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from jupyter_server.base.handlers import APIHandler

from jupyter_secure.protocol.errors import InvalidRequestError, SecureError
from jupyter_secure.protocol.messages import RelayReply, RelayRequest
from jupyter_secure.protocol.wire import close_all
from jupyter_secure.server.refusal import RefusalError, body
from jupyter_secure.server.sessions import KernelSession

RESOURCE = "jupyter_secure"
PATIENCE = 30.0  # seconds
Asked = TypeVar("Asked", bound=msgspec.Struct)


class SecureHandler(APIHandler):
    """A handler of ours."""

    auth_resource = RESOURCE

    @property
    def app(self) -> Any:
        """The extension: `upstream`, `people`, `sessions`, `changed`."""
        return self.settings["jupyter_secure"]

    @property
    def ticket(self) -> str:
        """The ticket of the person logged in; empty on a Hub."""
        return self.app.people.ticket(self)

    @property
    def notebook(self) -> str:
        """The notebook in front of the person, as named in the query; empty if none."""
        return self.get_query_argument("path", "", strip=False)

    @property
    def kernel_session(self) -> KernelSession | None:
        """The person's own kernel for that notebook."""
        return self.app.sessions.of_notebook(self.current_user.username, self.notebook)

    @property
    def grant(self) -> str | None:
        """The grant of that kernel."""
        session = self.kernel_session
        return None if session is None or session.grant is None else session.grant.id

    def asked(self, message: type[Asked], **fields: Any) -> Asked:
        """Build a message from the query; a field that is None is left to its default.

        Raises:
            RefusalError: 400, a field is not what the message demands.
        """
        given = {"type": message.__name__, **{name: value for name, value in fields.items() if value is not None}}
        try:
            return msgspec.convert(given, message, strict=False)
        except msgspec.ValidationError as error:
            raise RefusalError(InvalidRequestError(detail=str(error))) from None

    def posted(self, message: type[Asked], **fields: Any) -> Asked:
        """Build a message from the body, a JSON object, and from what we know ourselves, which the body cannot replace.

        Raises:
            RefusalError: 400, the body is not what the message demands.
        """
        try:
            given = msgspec.json.decode(self.request.body, type=dict[str, Any])
            return msgspec.convert({**given, **fields, "type": message.__name__}, message)
        except msgspec.DecodeError as error:
            raise RefusalError(InvalidRequestError(detail=str(error))) from None

    async def ask(self, message: RelayRequest) -> RelayReply:
        """Ask the broker.

        Raises:
            RefusalError: whatever it said instead of answering.
        """
        try:
            reply, fds = await self.app.upstream.request(message, patience=PATIENCE)
        except SecureError as error:
            raise RefusalError(error) from None
        close_all(fds)
        return reply

    def reply(self, noun: Any) -> None:
        """Answer with the JSON of a noun."""
        self.set_header("Cache-Control", "no-store")
        self.finish(msgspec.json.encode(noun))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer every failure in the one shape `{code, public}`."""
        raised = kwargs.get("exc_info", (None, None, None))[1]
        # Jupyter answers 403 to nobody as well; the person is told which of the two it is.
        shown = 401 if status_code == 403 and self.current_user is None else status_code
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(body(shown, raised)))
