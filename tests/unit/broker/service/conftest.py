"""A real service over TLS on loopback, a Hub's API beside it, and relays that speak to it."""

import asyncio
import base64
import contextlib
import logging
import os

import pyarrow as pa
import pytest

from jupyter_secure.broker.service.http import Settings, opened
from jupyter_secure.broker.service.tls import Certificate
from jupyter_secure.kernel.opener import KernelKey, open_view
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.grant import GuardLevel, GuardReport
from jupyter_secure.protocol.messages import FromKernel, Hello, OpenKernel
from jupyter_secure.server.https import Https, trusting
from jupyter_secure.server.remote import Remote
from jupyter_secure.testing.certificates import Authority
from jupyter_secure.testing.hub import HubApi
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World

POLICY = """
[dataset.patients]

[[rule]]
id = "scientists-see-raw"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"

[[rule]]
id = "confined-engineers"
to = ["role:engineer"]
datasets = ["patients"]
view = "raw"
when = { guard = "G3" }
"""
ROWS = 1000


class Deployment:
    """One vault, one Hub, and services over them that come and go at one port."""

    def __init__(self, world, hub, authority, folder):
        self.world = world
        self.hub = hub
        self.authority = authority
        self.certificate = Certificate(*map(str, authority.issue("broker")))
        self.folder = folder
        self.port = 0
        self.relays = []
        self.changes = []

    @contextlib.asynccontextmanager
    async def service(self, **settings):
        given = {"certificate": self.certificate, "port": self.port, "declared": GuardLevel.G2, **settings}
        made = Settings(str(self.world.path), self.hub.url, **given)
        async with opened(made, lambda vault: vault.unlock(PASSPHRASE), self.world.clock) as service:
            self.port = service.port
            yield service

    def relay(self, token, scheme="https", tls=None):
        tls = tls or trusting(str(self.authority.path))
        https = Https(f"{scheme}://127.0.0.1:{self.port}", tls)
        relay = Remote(https, token, lambda: self.changes.append(token), logging.getLogger("relay"))
        self.relays.append(relay)
        return relay

    async def kernel(self, token, kernel="k-1", level=GuardLevel.G3):
        kernel = Kernel(self.relay(token), kernel)
        await kernel.open(level)
        return kernel


class Kernel:
    """A kernel behind a relay."""

    def __init__(self, relay, kernel):
        self.relay = relay
        self.kernel = kernel
        self.key = KernelKey()
        self.grant = None

    async def open(self, level=GuardLevel.G3):
        body = OpenKernel(ticket="", kernel=self.kernel, notebook="a.ipynb", guard=GuardReport(level=level))
        self.grant = (await self.relay.request(body))[0].grant
        await self.hello()

    async def hello(self):
        await self.ask(Hello(public_key=base64.b64encode(self.key.public_bytes).decode()))

    async def ask(self, request, **options):
        reply, fds = await self.relay.request(FromKernel(grant=self.grant.id, request=request), **options)
        assert not fds
        return reply

    async def load(self, request):
        reply, fds = await self.relay.request(FromKernel(grant=self.grant.id, request=request))
        try:
            return await asyncio.to_thread(open_view, fds[0], reply.seal, reply.info, self.key)
        finally:
            os.close(fds[0])


@pytest.fixture
async def deployment(tmp_path):
    with World(tmp_path) as world:
        world.seal(pa.table({"age": list(range(ROWS))}), tags={"age": Tag.QUASI})
        world.apply(POLICY)
        hub = HubApi()
        hub.start()
        deployment = Deployment(world, hub, Authority(tmp_path), tmp_path)
        yield deployment
        for relay in deployment.relays:
            await relay.close()
        await hub.stop()
        world.verify()
