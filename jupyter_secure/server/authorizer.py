"""What a role may do in Jupyter itself. What it may see of the data is policy's business, in the broker.

The table below is all there is: an action or a resource that it does not name is refused, to everybody. Whoever has any
role may work in notebooks, the officer too, since a notebook without data is harmless and policy gives each role its
data; an account without a role may look and start nothing. Terminals, language servers and forged events are for
nobody.

A second rule stands beside the table: a kernel is for its owner alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION
from jupyter_server.base.handlers import JupyterHandler

from jupyter_secure.protocol.principal import Role

from .identity import SecureUser
from .sessions import Person

Rights = frozenset[tuple[str, str]]


def _rights(**actions: str) -> Rights:
    return frozenset((resource, action) for resource, listed in actions.items() for action in listed.split())


LOOK = _rights(
    api="read",
    config="read",
    contents="read",
    csp="write",
    events="read execute",
    jupyter_secure="read",
    kernels="read",
    kernelspecs="read",
    lab_packages="read",
    lab_settings="read",
    sessions="read",
    status="read",
)
WORK = LOOK | _rights(
    contents="write",
    jupyter_secure="read write",
    kernels="read write execute",
    lab_settings="write",
    nbconvert="read write",
    sessions="read write",
)
ROLES: dict[str, Rights] = {
    Role.STEWARD: WORK | _rights(server="write"),  # may shut the server down
    Role.SCIENTIST: WORK,
    Role.ENGINEER: WORK,
    Role.OFFICER: WORK,
}


def permitted(roles: Iterable[str], action: str, resource: str) -> bool:
    """Say what the table says. A role that only a policy knows works in notebooks like the others."""
    held = [ROLES.get(role, WORK) for role in roles]
    return any((resource, action) in rights for rights in held or [LOOK])


class SecureAuthorizer(Authorizer):
    """The table, and the owner of the kernel."""

    def is_authorized(self, handler: JupyterHandler, user: Any, action: str, resource: str) -> bool:
        """Decide; anything but a user proved by our identity provider is refused."""
        person = self.person(handler, user)
        if person is None:
            return False
        # jupyter_server remembers action and resource of a shared method from its first call; so the request's own
        # are asked as well, and both must be permitted.
        own = HTTP_METHOD_TO_AUTH_ACTION.get(str(handler.request.method), "unknown")
        asked = {(action, resource), (own, getattr(handler, "auth_resource", resource))}
        return all(self.permits(user, *pair) for pair in asked) and self._owns_all(handler, person)

    def person(self, handler: JupyterHandler, user: Any) -> Person | None:
        """Return who asks, None for somebody whom our identity provider has not proved."""
        return Person(user.username, self.identity_provider.ticket(handler)) if isinstance(user, SecureUser) else None

    def permits(self, user: Any, action: str, resource: str) -> bool:
        """Say what the table says of a user's roles."""
        return permitted(user.roles, action, resource)

    def _owns_all(self, handler: JupyterHandler, person: Person) -> bool:
        sessions = handler.settings["jupyter_secure"].sessions
        kernels = handler.settings["kernel_manager"]
        for kernel in named_kernels(handler):
            if kernel in kernels and not sessions.owns(person.name, kernel):
                return False
            sessions.seen(person, kernel)
        return True


def named_kernels(handler: JupyterHandler) -> Iterator[str]:
    """Yield every kernel that a request names, in its path or in its body."""
    kernel = handler.path_kwargs.get("kernel_id")
    if kernel:
        yield kernel
    if getattr(handler, "auth_resource", "") in {"kernels", "sessions"} and handler.request.body:
        body = handler.get_json_body()
        inner = body.get("kernel") if isinstance(body, dict) else None
        for found in (body, inner):
            for field in ("kernel_id", "id"):
                value = found.get(field) if isinstance(found, dict) else None
                if isinstance(value, str):
                    yield value
