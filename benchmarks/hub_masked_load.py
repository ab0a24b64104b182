"""A masked load of a million rows on a Hub, against the same on a laptop, made and kept; and a status request on each.

Every part is the real one in a process of its own: broker, relay (here), kernel. The two arms differ in the line
between relay and broker: a Unix socket that passes a descriptor, or HTTPS with the Hub asked about the token.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from benchmarks.paired import pairs, ratio_figure, time_figure
from benchmarks.sealed_read import people
from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.cache import restrict
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.grant import Grant, GuardLevel, GuardReport
from jupyter_secure.protocol.messages import Login, OpenKernel, State, Unlock
from jupyter_secure.protocol.wire import pair
from jupyter_secure.server.https import Https, trusting
from jupyter_secure.server.relay import KernelChannel
from jupyter_secure.server.remote import Remote
from jupyter_secure.server.upstream import Upstream
from jupyter_secure.testing.certificates import Authority
from jupyter_secure.testing.hub import HubApi
from jupyter_secure.testing.sealed_data import PASSPHRASE, TableSource

ROUNDS = 9
LIMIT = 1.5
CACHED_LIMIT = 3.5  # the line takes longer than reading a kept view does
STATUS_LIMIT = 0.010  # seconds
STATUSES = 200
PASSWORD = "a password for benchmarks"
POLICY = """
[dataset.people]

[[rule]]
id = "masked"
to = ["role:engineer"]
datasets = ["people"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize", sensitive = "suppress", measure = "keep" }
"""
TAGS = {"id": Tag.DIRECT, "email": Tag.DIRECT, "phone": Tag.DIRECT, "code": Tag.SENSITIVE}
QUASI = ("zip", "born", "age")


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Return the entries `hub.status`, `hub.masked_load` and `hub.cached_load`; the baseline of all is the laptop."""
    made, statuses = asyncio.run(_measure(1_000_000, rounds, "load", "status", keeps=False))
    [kept] = asyncio.run(_measure(1_000_000, rounds, "load", keeps=True))
    return [
        time_figure("hub.status", statuses, STATUS_LIMIT),
        ratio_figure("hub.masked_load", made, LIMIT),
        ratio_figure("hub.cached_load", kept, CACHED_LIMIT),
    ]


async def _measure(rows: int, rounds: int, *what: str, keeps: bool) -> list[list[tuple[float, float]]]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        home, hub = (_vault(folder / name, rows, keeps=keeps) for name in ("home", "hub"))
        async with _Laptop(home) as laptop, _Hub(hub, folder) as far:
            kernel = _Kernel(laptop, far)
            loop = asyncio.get_running_loop()

            def arm(which: str, do: str) -> Callable[[], float]:
                return lambda: asyncio.run_coroutine_threadsafe(kernel.ask(which, do), loop).result()

            try:
                return [await asyncio.to_thread(pairs, arm("laptop", do), arm("hub", do), rounds) for do in what]
            finally:
                await kernel.close()


def _vault(path: Path, rows: int, *, keeps: bool) -> Path:
    with Vault.create(path, PASSPHRASE) as vault:
        table = people(rows)
        tags = {name: TAGS.get(name, Tag.QUASI if name in QUASI else Tag.MEASURE) for name in table.column_names}
        vault.seal(TableSource(table, 1 << 18), "people", tags)
        if not keeps:
            restrict(vault, 0)
        Policies(vault).apply(POLICY)
        Accounts(vault.engine, vault.now).add("ann", PASSWORD, ["engineer"])
    return path


class _Laptop:
    """A broker as a child, asked over a socket."""

    def __init__(self, vault: Path) -> None:
        ours, theirs = pair()
        command = [
            sys.executable,
            "-I",
            "-m",
            "jupyter_secure.broker",
            "--fd",
            str(theirs.fileno()),
            "--vault",
            str(vault),
        ]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)
        theirs.close()
        self.upstream = Upstream(lambda: None)
        self._serving = asyncio.get_running_loop().create_task(self.upstream.serve(ours))

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0)
        await self.upstream.request(Unlock(passphrase=PASSPHRASE))
        ticket = (await self.upstream.request(Login(user="ann", password=PASSWORD)))[0].ticket
        self.grant = await _open(self.upstream, ticket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await asyncio.to_thread(self._process.wait)
        await asyncio.gather(self._serving, return_exceptions=True)


class _Hub:
    """A broker as a service, asked over HTTPS."""

    def __init__(self, vault: Path, folder: Path) -> None:
        self._api = HubApi()
        self._api.start()
        authority = Authority(folder)
        cert, key = map(str, authority.issue("broker"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._url = f"https://127.0.0.1:{free.getsockname()[1]}"
        options = ["--vault", str(vault), "--url", self._url, "--cert", cert, "--key", key, "--unlock", "fd"]
        command = [sys.executable, "-I", "-m", "jupyter_secure.cli.main", "serve", *options, "--hub-api", self._api.url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdin is not None
        self._process.stdin.write(PASSPHRASE.encode() + b"\n")
        self._process.stdin.flush()
        https = Https(self._url, trusting(str(authority.path)))
        self.upstream = Remote(https, self._api.token("ann", ["engineer"]), lambda: None, logging.getLogger("bench"))

    async def __aenter__(self) -> Self:
        for _ in range(100):
            try:
                await self.upstream.request(State())
                break
            except Exception:  # noqa: BLE001 - it is still starting
                await asyncio.sleep(0.2)
        self.grant = await _open(self.upstream, "")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.upstream.close()
        self._process.terminate()
        await asyncio.to_thread(self._process.wait)
        await self._api.stop()


async def _open(upstream: Upstream | Remote, ticket: str) -> Grant:
    report = GuardReport(level=GuardLevel.G3)
    return (await upstream.request(OpenKernel(ticket=ticket, kernel="k", notebook="b.ipynb", guard=report)))[0].grant


class _Kernel:
    """The far process, with a channel to each relay."""

    def __init__(self, laptop: _Laptop, hub: _Hub) -> None:
        ours, theirs = socket.socketpair()
        ends, channels = {}, []
        for name, side in (("laptop", laptop), ("hub", hub)):
            near, far = pair()
            ends[name] = far
            channels.append(KernelChannel(near, side.upstream, _always(side.grant)))
        self._tasks = [asyncio.get_running_loop().create_task(channel.serve()) for channel in channels]
        numbers = [str(end.fileno()) for end in (theirs, ends["laptop"], ends["hub"])]
        command = [sys.executable, "-m", "benchmarks.hub_masked_load", *numbers]
        self._process = subprocess.Popen(command, pass_fds=list(map(int, numbers)))
        for end in (theirs, *ends.values()):
            end.close()
        self._sock = ours

    async def ask(self, which: str, do: str) -> float:
        """Return the seconds it took there."""
        self._sock.send(json.dumps([which, do]).encode())
        return float(json.loads(await asyncio.to_thread(self._sock.recv, 1 << 16)))

    async def close(self) -> None:
        """End the process."""
        self._sock.close()
        await asyncio.to_thread(self._process.wait)
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _always(grant: Grant) -> Callable[[], Awaitable[Grant]]:
    async def given() -> Grant:
        return grant

    return given


def act_as_kernel(asked: int, laptop: int, hub: int) -> None:
    """Run in the far process: only what a kernel imports."""
    from jupyter_secure.kernel.client import Client
    from jupyter_secure.protocol.messages import Load, Status

    clients = {"laptop": Client(socket.socket(fileno=laptop)), "hub": Client(socket.socket(fileno=hub))}
    sock = socket.socket(fileno=asked)
    while question := sock.recv(1 << 16):
        which, do = json.loads(question)
        client = clients[which]
        began = time.perf_counter()
        if do == "load":
            reply, fd = client.request(Load(dataset="people"))
            frame = client.open(reply, fd, frame="pandas")
            seconds = time.perf_counter() - began
            assert len(frame) == 1_000_000
            del frame
        else:
            for _ in range(STATUSES):
                client.request(Status())
            seconds = (time.perf_counter() - began) / STATUSES
        sock.send(json.dumps(seconds).encode())
    os._exit(0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        act_as_kernel(*map(int, sys.argv[1:4]))
    else:
        for entry in measure():
            print(entry)
