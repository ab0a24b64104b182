"""Whose a JupyterHub token is, asked of the Hub itself.

Promises: name, roles and server come from the Hub's answer to that very token and from nothing else; roles are its
custom scopes `custom:jupyter-secure:role:<role>`, so a token with fewer scopes has fewer roles, whatever groups its
owner is in; an answer counts for `FRESH` seconds from when it was asked for; a Hub that cannot be asked, or that
answers strangely, refuses everybody. A token is kept only as its SHA-256, never logged and never sent elsewhere.

Steps of `introspect`: remembered -> somebody asks already -> `GET {api}/user` with the token -> read strictly.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import hashlib
import re
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from tornado.httpclient import HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from jupyter_secure.protocol.errors import SecureError, UnauthenticatedError, UnavailableError
from jupyter_secure.protocol.noun import RoleName, UserName
from jupyter_secure.protocol.principal import Principal

FRESH = 1.0  # seconds; a revocation holds after at most so long
PATIENCE = 5.0
AT_ONCE = 32  # questions to the Hub
REMEMBERED = 10_000
LARGEST = 1 << 20  # bytes of an answer
ROLE = "custom:jupyter-secure:role:"
METRICS = "read:metrics"
_TOKEN = re.compile(r"[\x21-\x7e]{1,512}\Z")
_SERVER = "access:servers!server="
_GONE = "JupyterHub cannot be asked who you are, so nothing is handed out. Run the cell again in a moment."
_REFUSED = "JupyterHub does not know this server's token any more. Stop your server in the Hub and start it again."
_STRANGE = "JupyterHub's name for you is not one that policies can name. Ask the operator."

_presented: contextvars.ContextVar[str] = contextvars.ContextVar("jupyter_secure_token", default="")


@contextlib.contextmanager
def presenting(token: str) -> Iterator[None]:
    """Let everything inside be asked for with this token."""
    before = _presented.set(token)
    try:
        yield
    finally:
        _presented.reset(before)


def presented() -> str:
    """Return the token of the request under way, empty if it came without."""
    return _presented.get()


@dataclass(frozen=True)
class Proved:
    """What the Hub says of a token.

    Attributes:
        principal: None for a service, which is no person and may at most read metrics.
        server: the one server that the token was made for: empty for the default one, None if there is no such one.
        metrics: whether it may read metrics.
        expires_at: when the Hub is asked again, milliseconds since 1970.
    """

    principal: Principal | None
    server: str | None
    metrics: bool
    expires_at: int


class Hub:
    """One Hub.

    Args:
        api: its API, for example `http://127.0.0.1:8081/hub/api`.
        now: milliseconds since 1970.
        tls: checks the Hub's certificate; None takes the system's authorities.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        api: str,
        now: Callable[[], int],
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = api.rstrip("/") + "/user"
        self._now = now
        self._tls = tls
        self._clock = clock
        self._client = SimpleAsyncHTTPClient(force_instance=True, max_clients=AT_ONCE, max_body_size=LARGEST)
        self._known: OrderedDict[bytes, tuple[float, Proved | SecureError]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Proved | SecureError]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)  # who waits for one is not yet waiting for the Hub

    async def introspect(self, token: str) -> Proved:
        """Return whose the token is.

        Raises:
            UnauthenticatedError: it is nobody's (any more), or of something that is no person.
            UnavailableError: the Hub cannot be asked.
        """
        if not _TOKEN.match(token):
            raise UnauthenticatedError(_REFUSED)
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        found = known[1] if known and known[0] > self._clock() else await self._ask_once(digest, token)
        if isinstance(found, SecureError):
            raise type(found)(found.public, detail=found.detail)
        return found

    def close(self) -> None:
        """Give up the connections and forget everything."""
        self._client.close()
        self._known.clear()

    async def _ask_once(self, digest: bytes, token: str) -> Proved | SecureError:
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.create_task(self._ask(digest, token))
            task.add_done_callback(lambda _: self._asking.pop(digest, None))
        return await asyncio.shield(task)  # others wait for it too, when this one is cancelled

    async def _ask(self, digest: bytes, token: str) -> Proved | SecureError:
        async with self._places:
            asked = self._clock()
            found = await self._found(token)
        if not isinstance(found, UnavailableError):  # the next request asks a Hub that was gone again
            self._remember(digest, asked + FRESH, found)
        return found

    async def _found(self, token: str) -> Proved | SecureError:
        try:
            return self._read(await self._fetch(token))
        except SecureError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever a network does, it proves nobody
            return UnavailableError(_GONE, detail=f"the Hub: {type(error).__name__}")

    async def _fetch(self, token: str) -> HTTPResponse:
        return await self._client.fetch(
            self._url,
            headers={"Authorization": f"token {token}", "Accept": "application/json"},
            connect_timeout=PATIENCE,
            request_timeout=PATIENCE,
            follow_redirects=False,
            ssl_options=self._tls,
            raise_error=False,
        )

    def _read(self, answer: HTTPResponse) -> Proved:
        if answer.code in {401, 403, 404}:
            raise UnauthenticatedError(_REFUSED)
        if answer.code != 200:
            raise UnavailableError(_GONE, detail=f"the Hub answered {answer.code}")
        try:
            model = msgspec.json.decode(answer.body)
        except msgspec.DecodeError:
            raise UnavailableError(_GONE, detail="the Hub's answer is no JSON") from None
        return read_model(model, self._now())

    def _remember(self, digest: bytes, until: float, found: Proved | SecureError) -> None:
        self._known[digest] = (until, found)
        self._known.move_to_end(digest)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def read_model(model: Any, now_ms: int) -> Proved:
    """Return what the Hub's model of a token's owner says.

    Raises:
        UnauthenticatedError: it is not a person, or of a name that policies cannot name.
        UnavailableError: it is no such model.
    """
    if not isinstance(model, dict) or not isinstance(model.get("scopes"), list):
        raise UnavailableError(_GONE, detail="the Hub's answer is no user model")
    scopes = frozenset(scope for scope in model["scopes"] if isinstance(scope, str))
    metrics, expires_at = METRICS in scopes, now_ms + int(FRESH * 1000)
    if model.get("kind") == "service":
        return Proved(None, None, metrics, expires_at)
    if model.get("kind") != "user":
        raise UnauthenticatedError(_REFUSED)
    try:
        name = msgspec.convert(model.get("name"), UserName)
    except msgspec.ValidationError:
        raise UnauthenticatedError(_STRANGE) from None
    principal = Principal(name=name, display_name=name, roles=_roles(scopes))
    return Proved(principal, _server(name, scopes), metrics, expires_at)


def _roles(scopes: Iterable[str]) -> tuple[str, ...]:
    named = (scope.removeprefix(ROLE) for scope in scopes if scope.startswith(ROLE))
    return tuple(sorted(role for role in named if _is_role(role)))


def _is_role(role: str) -> bool:
    try:
        msgspec.convert(role, RoleName)
    except msgspec.ValidationError:
        return False
    return True


def _server(user: str, scopes: Iterable[str]) -> str | None:
    # A server's own token may reach just that server. One that reaches several, or another's, speaks for none.
    reached = [scope.removeprefix(_SERVER) for scope in scopes if scope.startswith("access:servers")]
    owner, slash, server = reached[0].partition("/") if len(reached) == 1 else ("", "", "")
    return server if slash and owner == user and len(server) <= 255 else None
