"""A masked load into pandas, against `pandas.read_parquet` of the plain file of the same rows.

Both are measured in a process that is like a kernel: it holds a key pair, asks, gets a descriptor, opens the view and
makes the frame. The worker is the real one, in its own process; this process stands where the broker stands. Of twelve
columns eight are masked: three pseudonyms, a prefix, a year, tens, one redacted, one suppressed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.far_kernel import INFO
from benchmarks.paired import pairs, ratio_figure, time_figure
from benchmarks.sealed_read import people
from jupyter_secure.broker.pouring import Kept, KeptStream
from jupyter_secure.broker.views.kept import KeepJob, describe
from jupyter_secure.broker.views.plan import Part, ViewPlan, keyed, needed
from jupyter_secure.broker.views.pool import WorkerPool
from jupyter_secure.broker.views.stream import ViewStream
from jupyter_secure.broker.wholeness import Wholeness
from jupyter_secure.protocol.treatment import Generalize, Keep, Pseudonym, Redact, Suppress
from jupyter_secure.protocol.view import ColumnView
from jupyter_secure.testing.sealed_data import SealedData

ROUNDS = 25
LIMIT = 1.15
CACHED_LIMIT = 0.5
SMALL_LIMIT = 0.020  # seconds
KEEPING = bytes(32)
SEEN = Wholeness()
MASKS = {
    "id": Pseudonym(domain="person"),
    "email": Pseudonym(domain="email"),
    "phone": Pseudonym(domain="phone"),
    "zip": Generalize(prefix=3),
    "born": Generalize(unit="year"),
    "sex": Redact(),
    "code": Suppress(),
    "age": Generalize(width=10),
}


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Return `main.masked_load` (a million rows), `main.masked_load_10k`, and `views.cached_load` of a kept view."""
    large = asyncio.run(_measure(1_000_000, rounds, serve_made))
    small = asyncio.run(_measure(10_000, 3 * rounds, serve_made))
    cached = asyncio.run(_measure(1_000_000, rounds, _serve_kept))
    return [
        time_figure("main.masked_load_10k", small, SMALL_LIMIT),
        ratio_figure("views.cached_load", cached, CACHED_LIMIT),
        ratio_figure("main.masked_load", large, LIMIT),
    ]


Serve = Callable[["WorkerPool", ViewPlan, "Kernel", Path], Awaitable[float]]


class Ground(NamedTuple):
    """Sealed and plain, workers and kernels."""

    pool: WorkerPool
    kernels: list[Kernel]
    plans: list[ViewPlan]
    folder: Path


@contextlib.asynccontextmanager
async def ground(rows: int, kernels: int = 1, workers: int = 1) -> AsyncIterator[Ground]:
    """Lay out the same rows plain and sealed, with warm workers and kernels that have read nothing yet."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        table = people(rows)
        pq.write_table(table, folder / "plain.parquet", row_group_size=1 << 18)
        data = SealedData(folder)
        data.seal(table)
        names = table.column_names
        del table
        pa.default_memory_pool().release_unused()  # this process stands for the broker, which never had it
        ctypes.CDLL(None).malloc_trim(0)
        pool = WorkerPool(workers)
        await pool.start()
        started = [Kernel(folder / "plain.parquet") for _ in range(kernels)]
        try:
            yield Ground(pool, started, [_plan(data, names, kernel.public_key) for kernel in started], folder)
        finally:
            for kernel in started:
                kernel.close()
            await pool.close()
            data.close()


async def _measure(rows: int, rounds: int, serve: Serve) -> list[tuple[float, float]]:
    async with ground(rows) as laid:
        [kernel], [plan] = laid.kernels, laid.plans
        loop = asyncio.get_running_loop()

        def load() -> float:
            return asyncio.run_coroutine_threadsafe(serve(laid.pool, plan, kernel, laid.folder), loop).result()

        return await asyncio.to_thread(pairs, lambda: kernel.ask({"do": "plain"}), load, rounds)


def _plan(data: SealedData, names: list[str], recipient: bytes) -> ViewPlan:
    columns = tuple(ColumnView(name=name, treatment=MASKS.get(name, Keep()), rule="bench") for name in names)
    opened = data.open(needed(columns, ()))
    return ViewPlan(
        parts=tuple(
            Part(
                path=str(part.path),
                rows=part.rows,
                footer_key=part.footer_key,
                column_keys=part.column_keys,
                footer_digest=part.footer_sha256,
                row_groups=part.row_groups,
            )
            for part in opened.parts
        ),
        columns=columns,
        recipient=recipient,
        info=INFO.encode(),
        total=opened.rows,
        mask_keys={name: os.urandom(32) for name in keyed(columns)},
    )


async def serve_made(pool: WorkerPool, plan: ViewPlan, kernel: Kernel, _: Path) -> float:
    kernel.start({"do": "load"})
    await asyncio.to_thread(kernel.answer)  # the request has arrived
    return await _hand(await pool.open(plan), plan, kernel)


async def _serve_kept(pool: WorkerPool, plan: ViewPlan, kernel: Kernel, folder: Path) -> float:
    file = folder / "kept"
    if not file.exists():
        with file.open("xb") as out:
            await pool.begin(KeepJob(plan=plan, key=KEEPING, name=file.name), out.fileno())
    kernel.start({"do": "load"})
    await asyncio.to_thread(kernel.answer)
    fd = os.open(file, os.O_RDONLY)
    whole = SEEN.holds(str(file), fd)  # as the broker's cache does: looked through the first time
    described, frames = await asyncio.to_thread(describe, fd, KEEPING, file.name, whole=whole)
    SEEN.touch(str(file), fd, whole=not whole)
    return await _hand(KeptStream(Kept(fd, frames, described), plan.recipient, plan.info), plan, kernel)


async def _hand(stream: ViewStream | KeptStream, plan: ViewPlan, kernel: Kernel) -> float:
    kernel.start({"seal": stream.seal, "rows": plan.total}, stream.fd)
    stream.handed_over()
    seconds, rows = await asyncio.to_thread(kernel.answer)
    assert rows == (await stream.finished()).rows == plan.total
    return seconds


class Kernel:
    """The far process, from here."""

    def __init__(self, plain: Path) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock = ours
        command = [sys.executable, "-m", "benchmarks.far_kernel", str(theirs.fileno()), str(plain)]
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()
        self.public_key = bytes.fromhex(self.answer())

    def ask(self, question: dict[str, object]) -> float:
        """Send and return the seconds answered."""
        self.start(question)
        return self.answer()[0]

    def start(self, question: dict[str, object], *fds: int) -> None:
        """Send."""
        socket.send_fds(self._sock, [json.dumps(question).encode()], fds)

    def answer(self) -> object:
        """Receive."""
        return json.loads(self._sock.recv(1 << 16))

    def close(self) -> None:
        """End the process."""
        self._sock.close()
        self.process.wait()


if __name__ == "__main__":
    for entry in measure():
        print(entry)
