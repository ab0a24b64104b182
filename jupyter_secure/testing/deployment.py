"""A Hub's deployment on loopback: a world, a Hub's API, the service over TLS, relays and the kernels behind them.

For tests of this project and of those who build on it. Real are the certificates, the service, the relay's client, the
vault and the workers; the Hub is the small one of `testing.hub`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from jupyter_secure.broker.service.http import Service, Settings, opened
from jupyter_secure.broker.service.tls import Certificate
from jupyter_secure.kernel.opener import KernelKey, open_view
from jupyter_secure.protocol.grant import Grant, GuardLevel, GuardReport
from jupyter_secure.protocol.messages import FromKernel, Hello, KernelRequest, OpenKernel
from jupyter_secure.server.https import Https, trusting
from jupyter_secure.server.remote import Remote

from .certificates import Authority
from .hub import HubApi
from .sealed_data import PASSPHRASE
from .world import World

LOG = logging.getLogger("jupyter_secure.testing")


class Deployment:
    """One vault, one Hub, and services over them that come and go at one port.

    Attributes:
        changes: the token of each relay that heard of a change, one entry a time.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.hub = HubApi()
        self.authority = Authority(folder)
        cert, key = self.authority.issue("broker")
        self.certificate: Certificate = Certificate(str(cert), str(key))
        self.port = 0
        self.changes: list[str] = []
        self._relays: list[Remote] = []

    async def __aenter__(self) -> Self:
        self.hub.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for relay in self._relays:
            await relay.close()
        await self.hub.stop()

    @contextlib.asynccontextmanager
    async def service(self, **settings: Any) -> AsyncIterator[Service]:
        """Open the service, at the same port as before; `settings` are fields of `Settings`."""
        given = {"certificate": self.certificate, "port": self.port, "declared": GuardLevel.G2, **settings}
        made = Settings(str(self.world.path), self.hub.url, **given)
        async with opened(made, lambda vault: vault.unlock(PASSPHRASE), self.world.clock) as service:
            self.port = service.port
            yield service

    def relay(self, token: str, scheme: str = "https", tls: ssl.SSLContext | None = None) -> Remote:
        """Return a relay that shows a token."""
        https = Https(f"{scheme}://127.0.0.1:{self.port}", tls or trusting(str(self.authority.path)))
        relay = Remote(https, token, lambda: self.changes.append(token), LOG)
        self._relays.append(relay)
        return relay

    async def kernel(self, token: str, kernel: str = "k-1", level: GuardLevel = GuardLevel.G3) -> RemoteKernel:
        """Open a kernel behind a relay of its own."""
        made = RemoteKernel(self.relay(token), kernel)
        await made.open(level)
        return made


class RemoteKernel:
    """A kernel behind a relay."""

    grant: Grant

    def __init__(self, relay: Remote, kernel: str) -> None:
        self.relay = relay
        self.kernel = kernel
        self.key = KernelKey()

    async def open(self, level: GuardLevel = GuardLevel.G3) -> None:
        """Get a grant and say hello."""
        report = GuardReport(level=level)
        body = OpenKernel(ticket="", kernel=self.kernel, notebook="study.ipynb", guard=report)
        self.grant = (await self.relay.request(body))[0].grant
        await self.hello()

    async def hello(self) -> None:
        """Show the key."""
        await self.ask(Hello(public_key=base64.b64encode(self.key.public_bytes).decode()))

    async def ask(self, request: KernelRequest) -> Any:
        """Ask something that comes without content."""
        reply, fds = await self.relay.request(FromKernel(grant=self.grant.id, request=request))
        assert not fds
        return reply

    async def start(self, request: KernelRequest) -> tuple[Any, int]:
        """Ask for content; return the message and the descriptor, which is the caller's to close."""
        reply, fds = await self.relay.request(FromKernel(grant=self.grant.id, request=request))
        return reply, fds[0]

    async def load(self, request: KernelRequest) -> pa.Table:
        """Ask for content and open it."""
        reply, fd = await self.start(request)
        try:
            return await asyncio.to_thread(open_view, fd, reply.seal, reply.info, self.key)
        finally:
            os.close(fd)
