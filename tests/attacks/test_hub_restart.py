"""The broker of a Hub is killed and started again while kernels load: nobody gets half a view, and the log holds."""

import asyncio
import contextlib
import os
import signal
import socket
import sys

import pyarrow as pa
import pytest

from jupyter_secure.broker.audit.verify import verify
from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import IntegrityError, SecureError, UnavailableError
from jupyter_secure.protocol.messages import Load, State
from jupyter_secure.testing.deployment import Deployment
from jupyter_secure.testing.sealed_data import PASSPHRASE, TableSource

pytestmark = pytest.mark.slow
POLICY = """
[dataset.patients]

[[rule]]
id = "scientists-see-raw"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"
"""
ROWS = 50_000
KILLS = 5
LOAD = Load(dataset="patients")


class RealService:
    """`jupyter secure serve` as a process, at one port."""

    def __init__(self, vault, hub_api, certificate):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._command = [
            *(sys.executable, "-I", "-m", "jupyter_secure.cli.main", "serve", "--vault", str(vault)),
            *("--url", f"https://127.0.0.1:{self.port}", "--cert", certificate.cert, "--key", certificate.key),
            *("--hub-api", hub_api, "--unlock", "fd"),
        ]
        self.process = None

    async def start(self):
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stderr=pipe)
        self.process.stdin.write(PASSPHRASE.encode() + b"\n")
        await self.process.stdin.drain()
        self.said = asyncio.create_task(self.process.stderr.read())

    async def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = await self.process.wait()
        return status, (await self.said).decode()


@pytest.fixture
def vault(tmp_path):
    with Vault.create(tmp_path / "vault", PASSPHRASE) as vault:
        vault.seal(TableSource(pa.table({"n": pa.array(range(ROWS), pa.int64())})), "patients", {"n": Tag.QUASI})
        Policies(vault).apply(POLICY)
        yield vault


@pytest.fixture
async def deployment(vault, tmp_path):
    class Known:
        path = vault.folder.path

    async with Deployment(Known, tmp_path) as deployment:
        service = RealService(vault.folder.path, deployment.hub.url, deployment.certificate)
        deployment.port = service.port
        deployment.real = service
        await service.start()
        yield deployment
        if service.process.returncode is None:
            await service.end()


async def ready(relay):
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(UnavailableError):
                return await relay.request(State())
            await asyncio.sleep(0.1)


async def until(holds):
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for sends no event
            await asyncio.sleep(0.02)


async def load_on(kernel, counts, over):
    while not over.is_set():
        try:
            table = await kernel.load(LOAD)
        except (UnavailableError, IntegrityError) as error:  # what a kernel is told: run the cell again
            counts[error.code] = counts.get(error.code, 0) + 1
            await asyncio.sleep(0.1)
        else:
            assert table.num_rows == ROWS
            counts["whole"] = counts.get("whole", 0) + 1


async def test_a_broker_killed_under_load_is_used_again_and_nobody_gets_half_a_view(deployment, vault):
    tokens = [deployment.hub.token(name, ["scientist"]) for name in ("ann", "bob", "eve")]
    await ready(deployment.relay(tokens[0]))
    kernels = [await deployment.kernel(token, f"k-{number}") for number, token in enumerate(tokens)]
    counts, over = {}, asyncio.Event()
    loads = [asyncio.create_task(load_on(kernel, counts, over)) for kernel in kernels]
    for _ in range(KILLS):
        before = counts.get("whole", 0)
        await until(lambda: counts.get("whole", 0) >= before + 3)  # noqa: B023 - awaited in the same turn
        await deployment.real.end(signal.SIGKILL)
        await deployment.real.start()
    after = counts.get("whole", 0)
    await until(lambda: counts.get("whole", 0) >= after + 3)  # the same grants and keys go on
    over.set()
    await asyncio.gather(*loads)
    status, said = await deployment.real.end()
    assert status == 0, said
    assert set(counts) <= {"whole", "unavailable", "integrity"}
    assert counts["whole"] >= 3 * (KILLS + 1)
    report = verify(vault.engine, vault.verifier(Purpose.LOG).public)
    assert report.verified, report.problems


async def test_the_log_of_the_process_is_json_and_names_nobody_and_sigterm_ends_it_in_order(deployment):
    token = deployment.hub.token("ann-the-analyst", ["scientist"])
    await ready(deployment.relay(token))
    kernel = await deployment.kernel(token)
    await kernel.load(LOAD)
    os.kill(deployment.real.process.pid, signal.SIGHUP)
    await kernel.load(LOAD)
    with pytest.raises(SecureError):
        await kernel.load(Load(dataset="elsewhere"))
    status, said = await deployment.real.end()
    assert status == 0
    lines = said.splitlines()
    assert all(line.startswith('{"time"') for line in lines)
    assert '"the certificate was renewed"' in said
    assert '"stopping"' in said
    for word in (token, "ann-the-analyst", "patients", "study.ipynb", "127.0.0.1", PASSPHRASE):
        assert word not in said
