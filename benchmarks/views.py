"""The views' other figures: large and wide reads, CPU, tokens, memory, and sixteen kernels at once.

Baselines are what somebody would do without this project: pyarrow and pandas on the plain file, an HMAC in a loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.masked_load import Ground, ground, serve_made
from benchmarks.paired import pairs, ratio_figure
from benchmarks.sealed_read import pairwise, people
from jupyter_secure.broker.views.mask.pseudonym import PseudonymMask
from jupyter_secure.testing.sealed_data import SealedData, read

ROUNDS = 7
KERNELS = range(16)
TICKS = os.sysconf("SC_CLK_TCK")


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Return the entries `views.*`."""
    return [
        _read("views.sealed_read_5m", people(5_000_000), 1.15, rounds),
        _read("views.sealed_read_wide", _wide(), 1.4, rounds),
        *_tokens(rounds),
        asyncio.run(_cpu(1_000_000, rounds)),
        asyncio.run(_large(rounds)),
        asyncio.run(_memory()),
        *_apart(_measure_sixteen),
    ]


def _read(name: str, table: pa.Table, limit: float, rounds: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        plain = folder / "plain.parquet"
        pq.write_table(table, plain, row_group_size=1 << 18)
        data = SealedData(folder)
        data.seal(table)
        opened = data.open(table.column_names)
        del table
        found = pairwise(name, lambda: pq.read_table(plain), lambda: read(opened), rounds, limit)
        data.close()
    return found


def _wide() -> pa.Table:
    chance = np.random.default_rng(11)
    return pa.table({f"c{number}": chance.normal(0, 1, 100_000) for number in range(200)})


def _tokens(rounds: int) -> list[dict[str, object]]:
    table, key = people(200_000), bytes(range(32))
    arms: list[tuple[str, pa.Array, Callable[[object], bytes], float]] = [
        ("views.tokens_text", table["email"].combine_chunks(), lambda value: str(value).encode(), 0.1),
        ("views.tokens_integer", table["id"].combine_chunks(), lambda value: int(value).to_bytes(16, "little"), 0.01),  # type: ignore[call-overload]
    ]
    found = []
    for name, array, message, limit in arms:
        mask, values = PseudonymMask(array.type, key), array.to_pylist()

        def loop(values: list[object] = values, message: Callable[[object], bytes] = message) -> float:
            began = time.perf_counter()
            for value in values:
                hmac.digest(key, message(value), hashlib.sha256)
            return time.perf_counter() - began

        def own(mask: PseudonymMask = mask, array: pa.Array = array) -> float:
            began = time.perf_counter()
            mask.apply(array)
            return time.perf_counter() - began

        found.append(ratio_figure(name, pairs(loop, own, rounds), limit))
    return found


def _spent(*pids: int) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


async def _cpu(rows: int, rounds: int) -> dict[str, object]:
    """Return the CPU of worker and kernel for a masked load, against the kernel's for the plain file."""
    async with ground(rows) as laid:
        [kernel], [plan] = laid.kernels, laid.plans
        pids = (kernel.process.pid, *laid.pool.pids)
        times = 4  # loads in one arm, because a tick is 10 ms
        loop = asyncio.get_running_loop()

        def timed(work: Callable[[], object]) -> float:
            before = _spent(*pids)
            for _ in range(times):
                work()
            return (_spent(*pids) - before) / times

        def load() -> object:
            return asyncio.run_coroutine_threadsafe(serve_made(laid.pool, plan, kernel, laid.folder), loop).result()

        def compare() -> list[tuple[float, float]]:
            return pairs(lambda: timed(lambda: kernel.ask({"do": "plain"})), lambda: timed(load), rounds)

        return ratio_figure("views.masked_cpu", await asyncio.to_thread(compare), 1.3)


async def _large(rounds: int) -> dict[str, object]:
    async with ground(5_000_000) as laid:
        [kernel], [plan] = laid.kernels, laid.plans
        loop = asyncio.get_running_loop()

        def load() -> float:
            return asyncio.run_coroutine_threadsafe(serve_made(laid.pool, plan, kernel, laid.folder), loop).result()

        found = await asyncio.to_thread(pairs, lambda: kernel.ask({"do": "plain"}), load, rounds)
    return ratio_figure("views.masked_load_5m", found, 1.15)


async def _memory() -> dict[str, object]:
    """Return the most memory of a worker for ten times the data, against twice the data (a million rows each)."""
    peaks = []
    for rows in (2_000_000, 10_000_000):
        async with ground(rows) as laid:
            await serve_made(laid.pool, laid.plans[0], laid.kernels[0], laid.folder)
            peaks.append(_peak(*laid.pool.pids))
    small, large = peaks
    ratio = large / small
    return {
        "name": "views.memory",
        "value": round(large / 1e6, 1),
        "unit": "MB",
        "baseline": round(small / 1e6, 1),
        "ratio": round(ratio, 3),
        "limit": 1.2,
        "over": ratio > 1.2 or large > 1e9,
    }


def _peak(*pids: int) -> int:
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _apart(measured: Callable[[], list[dict[str, object]]]) -> list[dict[str, object]]:
    # In a process of its own, since it stands for the broker, and what was measured before left something here.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        return apart.submit(measured).result()


def _measure_sixteen() -> list[dict[str, object]]:
    return asyncio.run(_sixteen())


async def _sixteen() -> list[dict[str, object]]:
    """Sixteen kernels load a million rows each at the same moment, two workers serve."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(64))  # a thread waits for each kernel
    plain, plain_last = await _sixteen_plain()
    async with ground(1_000_000, kernels=len(KERNELS), workers=2) as laid:
        for _ in range(6):  # until both workers are warm
            await serve_made(laid.pool, laid.plans[0], laid.kernels[0], laid.folder)
        everybody = (os.getpid(), *laid.pool.pids, *(kernel.process.pid for kernel in laid.kernels))
        began = time.perf_counter()
        work = [asyncio.create_task(_ended(laid, number, began)) for number in KERNELS]
        most = 0
        while not all(task.done() for task in work):
            most = max(most, await asyncio.to_thread(_shared_out, everybody))
            await asyncio.wait(work, timeout=1)  # looking costs a core for a moment
        most = max(most, _shared_out(everybody))  # the workers have not given anything back yet, and all have a frame
        ends = sorted(task.result() for task in work)
    steps = [later - earlier for earlier, later in itertools.pairwise(ends)]
    last, longest = ends[-1], max(steps)
    return [
        _entry("views.sixteen", last, plain_last, 1.15),
        _entry("views.sixteen_step", longest, last / len(KERNELS), 4.0),  # nobody waits for several others in a row
        _entry("views.sixteen_memory", most / 1e6, plain / 1e6, 1.0)
        | {"unit": "MB", "limit": 4000.0, "over": most > 4e9},
    ]


async def _sixteen_plain() -> tuple[int, float]:
    """Return the memory of sixteen kernels that read the plain file with pandas at once, and when the last has it."""
    async with ground(1_000_000, kernels=len(KERNELS)) as laid:
        began = time.perf_counter()
        await asyncio.gather(*(asyncio.to_thread(kernel.ask, {"do": "plain"}) for kernel in laid.kernels))
        last = time.perf_counter() - began
        return _shared_out(tuple(kernel.process.pid for kernel in laid.kernels)), last


def _entry(name: str, value: float, baseline: float, limit: float) -> dict[str, object]:
    ratio = value / baseline
    return {
        "name": name,
        "value": round(value, 3),
        "unit": "s",
        "baseline": round(baseline, 3),
        "ratio": round(ratio, 2),
        "limit": limit,
        "over": ratio > limit,
    }


def _shared_out(pids: tuple[int, ...]) -> int:
    """Return the memory of processes together; what several share counts once (Pss)."""
    found = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                found += int(line.split()[1]) * 1024
    return found


async def _ended(laid: Ground, number: int, began: float) -> float:
    await serve_made(laid.pool, laid.plans[number], laid.kernels[number], laid.folder)
    return time.perf_counter() - began


if __name__ == "__main__":
    for entry in measure():
        print(entry)
