"""The broker as a service of JupyterHub: HTTPS, many relays, none of them trusted.

Promises: without a certificate it listens on loopback alone; requests and headers are bounded in size and time; on
SIGTERM it takes no new request, lets those under way end for `GRACE` seconds, then ends the rest, and each of them ends
in the log; a request that was on its way meanwhile is told that it was not taken, so that it may be asked elsewhere;
every relay may go away and come back.

Steps of `serve`: harden the process -> open and unlock the vault -> listen -> wait for a signal -> drain -> turn away
for as long as something comes -> close.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from jupyter_secure.broker.authn.hub import Hub
from jupyter_secure.broker.authn.identity_provider import CALLBACK, START, IdentityProvider, Registration
from jupyter_secure.broker.authn.journey import Journeys
from jupyter_secure.broker.authn.passkeys import RelyingParty
from jupyter_secure.broker.vault import Vault, wall_clock
from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError, SecureError
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.record import Personal

from . import journal
from .asking import AskHandler, ChangesHandler
from .desk import Desk
from .doors import Door, TurnedAwayError
from .identify import HubTokens
from .listeners import Listeners
from .oidc import CallbackHandler, StartHandler
from .probes import HealthHandler, MetricsHandler, ReadyHandler
from .process import harden, spare_what_stays, take_short_turns
from .serving import Serving
from .tls import Certificate, Renewal, require_private_line

LOG = logging.getLogger("jupyter_secure.broker")
GRACE = 30.0  # seconds
BODY = 1 << 18  # bytes of a request, four times the longest that a kernel may send
HEADER = 16_384
IDLE = 75.0  # seconds, also for the headers of a request
SLOW = 10.0  # seconds for the body of a request
LAST = 10.0  # seconds in which a request that was ended writes its last entry to the log
LINGER = 0.25  # seconds without a request, after which none is on its way any more


@dataclass(frozen=True)
class Settings:
    """What the operator decided.

    Attributes:
        base: path below which the service is reached, for example `/services/secure`; empty for the root.
        hub_ca: PEM file of the authority for an `https` Hub; None takes the system's.
        declared: the guard level that counts at most, whatever relays measure.
        oidc: the identity provider whose logins count as a second factor; None offers none.
        party: the Hub's pages, which may ask for passkeys; None lets nobody but pages of this computer.
    """

    vault: str
    hub_api: str
    address: str = "127.0.0.1"
    port: int = 0
    base: str = ""
    certificate: Certificate | None = None
    hub_ca: str | None = None
    declared: GuardLevel = GuardLevel.G0
    oidc: Registration | None = None
    party: RelyingParty | None = None


class Nowhere(Door):
    """Everything that is not there."""

    def prepare(self) -> None:
        """Refuse."""
        raise TurnedAwayError(InvalidRequestError(), 404)


class Service(Serving):
    """A desk that listens."""

    def __init__(self, desk: Desk, hub: Hub, listeners: Listeners, provider: IdentityProvider | None = None) -> None:
        super().__init__(desk, hub, listeners)
        self._provider = provider
        self.port = 0
        self._server: HTTPServer | None = None
        self._renewal: Renewal | None = None
        self._watch: asyncio.Task[None] | None = None

    def listen(self, settings: Settings) -> None:
        """Take requests from now on.

        Raises:
            InstallationError: not without encryption, or not at that address.
        """
        require_private_line(settings.address, settings.certificate)
        context = settings.certificate.context() if settings.certificate else None
        self._server = HTTPServer(
            self._application(settings.base.rstrip("/")),
            ssl_options=context,
            max_header_size=HEADER,
            max_body_size=BODY,
            idle_connection_timeout=IDLE,
            body_timeout=SLOW,
        )
        try:
            sockets = bind_sockets(settings.port, settings.address, backlog=1024)
        except OSError as error:
            raise InstallationError("The broker cannot listen at that address.", detail=str(error)) from None
        self.port = sockets[0].getsockname()[1]
        self._server.add_sockets(sockets)
        if settings.certificate:
            self._renewal = Renewal(settings.certificate, self._renew)
            self._watch = asyncio.get_running_loop().create_task(self._renewal.watch())
        LOG.info("listening", extra={"told": {"port": self.port, "tls": context is not None}})

    def reload(self) -> None:
        """Read the certificate again, renewed or not."""
        if self._renewal is not None:
            self._renewal.look(always=True)

    async def stop(self, grace: float = GRACE) -> None:
        """Drain and close."""
        self.stopping = True
        LOG.info("stopping", extra={"told": {"under_way": self.under_way}})
        if self._watch is not None:
            self._watch.cancel()
        if self._server is None:
            return
        self._server.stop()
        await self.listeners.changed(None)  # those who listen see that it ends
        await _until(lambda: not self.under_way, grace)
        drained = time.monotonic()
        await _until(lambda: not self.under_way and self.quiet(drained) > LINGER, LAST)
        await self._server.close_all_connections()
        await _until(lambda: not self.under_way and not self.listeners.count, LAST)
        self.hub.close()
        if self._provider is not None:
            self._provider.close()

    def _application(self, base: str) -> Application:
        doors: dict[str, type[Door]] = {
            "/v1/ask": AskHandler,
            "/v1/changes": ChangesHandler,
            "/health": HealthHandler,
            "/ready": ReadyHandler,
            "/metrics": MetricsHandler,
        }
        routes: list[Any] = [(base + path, door, {"service": self}) for path, door in doors.items()]
        if self._provider is not None:
            journeys = Journeys(self.desk.vault, self._provider)
            given = {"service": self, "journeys": journeys, "public": self._provider.registration.public}
            routes += [(base + START, StartHandler, given), (base + CALLBACK, CallbackHandler, given)]
        return Application(
            routes,
            default_handler_class=Nowhere,
            default_handler_args={"service": self},
            log_function=lambda _: None,  # counted in the meters; paths and addresses stay out of the log
        )

    def _renew(self, context: ssl.SSLContext) -> None:
        assert self._server is not None
        self._server.ssl_options = context  # Tornado reads it anew for every connection


@contextlib.asynccontextmanager
async def opened(settings: Settings, unlock: Any, now: Any = wall_clock) -> AsyncIterator[Service]:
    """Open the vault, unlock it through `unlock(vault)`, and listen; on leaving, drain and close.

    Raises:
        SecureError: it cannot be opened, unlocked or reached; nothing listens then.
    """
    require_private_line(settings.address, settings.certificate)
    hub = Hub(settings.hub_api, now, _authority(settings))
    listeners = Listeners()
    identify = HubTokens(hub, settings.declared)
    provider = IdentityProvider(settings.oidc) if settings.oidc else None
    start = settings.oidc.start if settings.oidc else None
    async with Desk.open(settings.vault, listeners.changed, now, identify, start, settings.party) as desk:
        unlock(desk.vault)
        service = Service(desk, hub, listeners, provider)
        service.listen(settings)
        try:
            yield service
        finally:
            await service.stop()


def main(settings: Settings, passphrase: Callable[[str], str], personal: Personal) -> int:
    """Serve until a signal; return the exit status. `passphrase` is asked for once, with the vault's id."""
    harden()
    take_short_turns()
    allow_descriptors()
    journal.begin()
    try:
        asyncio.run(serve(settings, lambda vault: _unlock(vault, passphrase, personal)))
    except SecureError as error:
        LOG.critical("%s %s", error.public, error.detail)
        return 1
    return 0


def _unlock(vault: Vault, passphrase: Callable[[str], str], personal: Personal) -> None:
    if vault.locked:  # else the role of the machine has opened it
        vault.unlock(passphrase(vault.id) if vault.asks else "", personal)


def allow_descriptors() -> None:
    """Let the process have as many descriptors as it may: systems give 1024, and each relay holds one or more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def serve(settings: Settings, unlock: Any) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the certificate again."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    async with opened(settings, unlock) as service:
        spare_what_stays()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        loop.add_signal_handler(signal.SIGHUP, service.reload)
        await ended.wait()


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:  # noqa: ASYNC110 - seldom, and for seconds
        await asyncio.sleep(0.02)


def _authority(settings: Settings) -> ssl.SSLContext | None:
    if settings.hub_ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.hub_ca)
    except (OSError, ssl.SSLError):
        raise InstallationError("The authority of the Hub's certificate cannot be read. Check --hub-ca.") from None
