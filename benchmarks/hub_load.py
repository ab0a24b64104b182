"""`hub.load`: 150 idle people, then 500 kernels that all load at the same moment, over TLS from one broker process.

Real are the broker (`jupyter secure serve`), its workers, PostgreSQL with every fsync, the relays' client, a key pair
for each kernel and the opening of each view; the Hub is a small API that knows 650 tokens. One kernel in ten also asks
a private question, and the budget pays for fewer than are asked. A slow answer counts only in the percentiles; an
error, a lost entry, a budget over-spent or a broker over its memory is over the limit.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.sealed_read import people
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import BudgetError, SecureError
from jupyter_secure.protocol.messages import Load, Query
from jupyter_secure.protocol.record import Kind
from jupyter_secure.server.https import Https
from jupyter_secure.server.remote import Remote
from jupyter_secure.testing.deployment import LOG, RemoteKernel
from jupyter_secure.testing.postgres import PostgresServer
from jupyter_secure.testing.sealed_data import TableSource
from jupyter_secure.testing.served import Served, cpu, memory

ROWS = 10_000
IDLE = 150
KERNELS = 500
ASKING = 10  # one kernel in so many asks a question too
PAID = 30  # questions that the budget of all people pays for
MEMORY = 300_000_000
DIRECT, QUASI = {"id", "email", "phone"}, {"zip", "born", "sex", "code", "age"}
POLICY = f"""
[dataset.people]
privacy_unit = "id"
contributions = 1
bounds = {{ age = [0, 200] }}
budget = {{ epsilon = "{PAID // 10}", person = "1", delta = "1e-6", default_query = "0.1" }}

[[rule]]
id = "masked"
to = ["role:scientist"]
datasets = ["people"]
view = "masked"
mask = {{ direct = "pseudonym", quasi = "generalize", measure = "keep" }}

[[rule]]
id = "asked"
to = ["role:scientist"]
datasets = ["people"]
view = "dp"
"""


def measure(kernels: int = KERNELS, idle: int = IDLE) -> list[dict[str, object]]:
    """Return the entries `hub.load` (p99 in seconds) and `hub.load_memory` (of the broker's process, in MB)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with (
        tempfile.TemporaryDirectory() as place,
        PostgresServer() as postgres,
        postgres.database() as url,
        Served(Path(place), url) as served,
    ):
        fill(served, ROWS)
        served.start()
        return asyncio.run(_Crowd(served, kernels, idle).measure())


def fill(served: Served, rows: int) -> None:
    """Seal the people and put the policy in force."""
    table = people(rows)
    tags = {
        name: Tag.DIRECT if name in DIRECT else Tag.QUASI if name in QUASI else Tag.MEASURE
        for name in table.column_names
    }
    served.vault.seal(TableSource(table, 1 << 18), "people", tags)
    served.apply(POLICY)


class _Crowd:
    """Everybody at the other end."""

    def __init__(self, served: Served, kernels: int, idle: int) -> None:
        self._served = served
        self._count = kernels
        self._idle = idle
        self._times: list[float] = []
        self._errors: list[SecureError] = []
        self._spent: list[bool] = []

    async def measure(self) -> list[dict[str, object]]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(16))
        waiting = [await self._open(f"idle-{number}") for number in range(self._idle)]
        there = asyncio.Semaphore(0)
        for kernel in waiting:
            kernel.relay.listen(there.release)
        for _ in waiting:
            await asyncio.wait_for(there.acquire(), 60)
        kernels = [await self._open(f"person-{number}") for number in range(self._count)]
        alone = [await self._seconds(waiting[0]) for _ in range(15)][5:]
        busy, began = self._used(), time.perf_counter()
        await asyncio.gather(*(self._work(number, kernel) for number, kernel in enumerate(kernels)))
        wall = time.perf_counter() - began
        broker, workers = (now - before for now, before in zip(self._used(), busy, strict=True))
        figures = self._figures(alone, wall, broker, workers)
        for kernel in (*waiting, *kernels):
            await kernel.relay.close()
        self._check()
        return figures

    async def _open(self, name: str) -> RemoteKernel:
        token = self._served.hub.token(name, ["scientist"])
        relay = Remote(Https(self._served.url, self._served.tls), token, lambda: None, LOG)
        kernel = RemoteKernel(relay, f"kernel-of-{name}")
        await kernel.open()
        return kernel

    async def _work(self, number: int, kernel: RemoteKernel) -> None:
        try:
            self._times.append(await self._seconds(kernel))
        except SecureError as error:
            self._errors.append(error)
        if number % ASKING == 0:
            await self._ask(number, kernel)

    async def _seconds(self, kernel: RemoteKernel) -> float:
        began = time.perf_counter()
        table = await kernel.load(Load(dataset="people"))
        assert table.num_rows == ROWS
        return time.perf_counter() - began

    async def _ask(self, number: int, kernel: RemoteKernel) -> None:
        where = f'{{"op":"gt","col":"age","value":{number / 10}}}'
        question = f'{{"v":1,"dataset":"people","where":{where},"aggs":[{{"op":"count"}}]}}'
        try:
            await kernel.load(Query(question=question, epsilon="0.5"))
            self._spent.append(True)
        except BudgetError:
            self._spent.append(False)
        except SecureError as error:
            self._errors.append(error)

    def _used(self) -> tuple[float, float]:
        broker, *workers = self._served.processes()
        return cpu(broker), sum(map(cpu, workers))

    def _figures(self, alone: list[float], wall: float, broker: float, workers: float) -> list[dict[str, object]]:
        main, *others = map(memory, self._served.processes())
        cuts = statistics.quantiles(self._times, n=100)
        print(
            f"hub.load: {self._count} kernels in {wall:.1f} s, p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, "
            f"{len(self._errors)} errors, {sum(self._spent)} of {len(self._spent)} questions paid for; "
            f"CPU broker {broker:.1f} s, workers {workers:.1f} s; memory broker {main >> 20} MiB, "
            f"workers {[it >> 20 for it in others]} MiB; load of the machine {os.getloadavg()[0]:.1f}",
            *{f"{error.code}: {error.public} {error.detail}" for error in self._errors},
            sep="\n",
        )
        single = statistics.median(alone)
        wrong = len(self._errors) + (all(self._spent) or not any(self._spent))
        return [
            {
                "name": "hub.load",
                "value": round(cuts[98], 3),
                "unit": "s",
                "baseline": round(single, 4),
                "ratio": round(cuts[98] / single, 1),
                "limit": 0,  # errors and over-spent budgets
                "over": wrong > 0,
            },
            {
                "name": "hub.load_memory",
                "value": round(main / 1e6, 1),
                "unit": "MB",
                "baseline": round(MEMORY / 1e6, 1),
                "ratio": round(main / MEMORY, 3),
                "limit": round(MEMORY / 1e6, 1),
                "over": main > MEMORY,
            },
        ]

    def _check(self) -> None:
        """Check log and ledger, and that every load is in the log."""
        self._served.stop()
        self._served.verify()
        delivered = self._served.vault.audit.entries(kinds=(Kind.LOAD_DELIVERED,), limit=None)
        assert len(delivered) >= len(self._times), (len(delivered), len(self._times))


if __name__ == "__main__":
    for entry in measure():
        print(entry)
