"""The commands of docs/operating.md that look after a broker are typed at a real one, and one follows another."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from jupyter_secure.broker.service.http import Settings, opened
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.messages import Load
from jupyter_secure.server.https import Https, trusting
from jupyter_secure.server.remote import Remote
from jupyter_secure.testing.deployment import LOG, Deployment, RemoteKernel
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.served import Served
from jupyter_secure.testing.world import World
from tests.integration.server_process import REPOSITORY

pytestmark = pytest.mark.slow
SECTION = re.compile(r"### Look after the broker\n(.*?)\n### ", re.DOTALL)
POLICY = """
[dataset.patients]

[[rule]]
id = "scientists-see-raw"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"
"""


def commands():
    section = SECTION.search((REPOSITORY / "docs" / "operating.md").read_text()).group(1)
    return re.findall(r"^\$ (.*)$", section, re.MULTILINE)


@pytest.fixture
def served(tmp_path):
    with Served(tmp_path) as made:
        made.start()
        yield made


def test_the_commands_work_on_a_broker_that_runs(served, tmp_path):
    token = served.hub.token("probe", kind="service", scopes=["read:metrics"])
    (tmp_path / "metrics.header").write_text(f"Authorization: token {token}\n")
    shutil.copy(tmp_path / "authority.pem", tmp_path / "ca.pem")
    typed = commands()
    assert len(typed) == 5
    shown = []
    for command in typed:
        there = command.replace("https://broker.example:8490", served.url)
        there = there.replace("http://127.0.0.1:8081/hub/api", served.hub.url)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTERHUB")}
        environment |= {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"}
        done = subprocess.run(
            there, check=False, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{there}\n{done.stdout}{done.stderr}"
        shown.append(done.stdout)
    told, as_json, health, ready, metrics = shown
    assert "good    vault: unlocked." in told
    assert json.loads(as_json)["good"] is True
    assert json.loads(health) == {"declared_guard": "G3"}
    assert json.loads(ready) == {"vault": True, "database": True, "serving": True}
    for name in re.findall(
        r"`(jupyter_secure_\w+)`", SECTION.search((REPOSITORY / "docs/operating.md").read_text())[1]
    ):
        assert f"# TYPE {name.removesuffix('_total')}" in metrics, name


class Address:
    """One address in front of brokers, which sends everybody to the one of the moment; `url` is it."""

    def __init__(self):
        self.behind = 0

    @contextlib.asynccontextmanager
    async def opened(self):
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _forward(self, reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", self.behind)
        await asyncio.gather(_pipe(reader, back), _pipe(there, writer))


async def _pipe(reader, writer):
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def broker(deployment, vault):
    """Open a broker of its own over a copy of the vault's folder, at a port of its own."""
    settings = Settings(str(vault), deployment.hub.url, certificate=deployment.certificate, declared=GuardLevel.G2)
    async with opened(settings, lambda vault: vault.unlock(PASSPHRASE), deployment.world.clock) as service:
        yield service


async def test_a_broker_takes_over_while_kernels_load_and_no_load_fails(tmp_path, postgres_url):
    with World(tmp_path, database_url=postgres_url) as world:
        world.seal(pa.table({"age": list(range(1000))}), tags={"age": Tag.QUASI})
        world.apply(POLICY)
        copy = shutil.copytree(world.path, tmp_path / "copy")
        async with Deployment(world, tmp_path) as deployment, Address().opened() as address:
            first = contextlib.AsyncExitStack()
            address.behind = (await first.enter_async_context(broker(deployment, world.path))).port
            token = deployment.hub.token("ann", ["scientist"])
            relay = Remote(Https(address.url, trusting(str(deployment.authority.path))), token, lambda: None, LOG)
            kernel = RemoteKernel(relay, "k-1")
            await kernel.open()
            rows, ended = [], asyncio.Event()

            async def load():
                while not ended.is_set():
                    rows.append((await kernel.load(Load(dataset="patients"))).num_rows)

            loading = asyncio.create_task(load())
            try:
                await until(lambda: len(rows) >= 3)
                async with broker(deployment, copy) as second:
                    assert all((await second.readiness()).values())
                    address.behind = second.port
                    await asyncio.sleep(0.5)  # who was on the way to the old one is there
                    await first.aclose()
                    before = len(rows)
                    await until(lambda: len(rows) >= before + 3 or loading.done())
                    ended.set()
                    await loading
                    assert second.desk.vault.audit.entries(limit=1)
            finally:
                loading.cancel()
                await asyncio.gather(loading, return_exceptions=True)
                await first.aclose()
                await relay.close()
            assert set(rows) == {1000}
        world.verify()


async def until(holds):
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for is a list that grows
            await asyncio.sleep(0.02)
