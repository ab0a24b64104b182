"""What the guard costs: kernel starts at both levels, a busy cell, a large array; and what fifty kernels leave behind.

Guarded kernels run as people get them, plain ones under Jupyter's own provisioner, in turn. A cell is timed by the
kernel itself, as the quickest of a few runs, and several kernels of each kind are compared: where the system happens to
put the memory of one process would otherwise count as a cost of the guard. `guard.fifty` counts, after fifty kernels
were started and stopped: processes below this one, its mounts and sockets, and the guard's folders, as far as they were
not there before.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import AsyncKernelManager, KernelManager
from traitlets.config import Config

from benchmarks.paired import pairs, ratio_figure
from jupyter_secure.guard.runtime import PREFIX

ROUNDS = 11
START_LIMITS = {"guard.start_g2": 1.15, "guard.start_g3": 1.25}
WORK_LIMIT = 1.03
KERNELS = 50
AT_ONCE = 5
BLOCKS = 5  # kernels of each kind, one after the other
CELL_ROUNDS = 5  # pairs of each two kernels
REPEATS = 3  # in one turn of a cell, of which the quickest counts
CELLS = {
    "guard.cpu": "n = 0\n    for i in range(10_000_000): n += i * i % 7",
    "guard.numpy_1gb": "a = numpy.load('large.npy'); s = float(a.sum()); del a",
}
TIMED = """
import numpy, time
def once():
    began = time.perf_counter()
    {work}
    return time.perf_counter() - began
print(min(once() for _ in range({repeats})))
"""


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        plain = functools.partial(_start, "local-provisioner", folder, launcher_only=False)
        found = []
        for name, limit in START_LIMITS.items():
            guarded = functools.partial(_start, "jupyter-secure", folder, launcher_only=name.endswith("g2"))
            found.append(ratio_figure(name, pairs(plain, guarded, rounds), limit))
        return [*found, *_cells(folder, rounds), _fifty(folder)]


def _manager(provisioner: str, *, launcher_only: bool, kind: type[KernelManager] = KernelManager) -> KernelManager:
    manager = kind(kernel_name="python3", config=Config({"GuardProvisioner": {"launcher_only": launcher_only}}))
    manager.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": provisioner, "config": {}}
    return manager


def _start(provisioner: str, folder: Path, *, launcher_only: bool) -> float:
    manager = _manager(provisioner, launcher_only=launcher_only)
    began = time.perf_counter()
    manager.start_kernel(cwd=str(folder))
    client = _ready(manager)
    seconds = time.perf_counter() - began
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return seconds


def _ready(manager: KernelManager) -> BlockingKernelClient:
    client: BlockingKernelClient = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    return client


def _cells(folder: Path, rounds: int) -> list[dict[str, object]]:
    np.save(folder / "large.npy", np.ones(1 << 27))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CELLS}
    for block in range(min(BLOCKS, rounds)):
        with _two_kernels(folder, plain_first=block % 2 == 0) as (plain, guarded):
            for name, work in CELLS.items():
                code = TIMED.format(work=work, repeats=REPEATS)
                found[name] += pairs(_run(plain, code), _run(guarded, code), min(CELL_ROUNDS, rounds))
    return [ratio_figure(name, measured, WORK_LIMIT) for name, measured in found.items()]


@contextlib.contextmanager
def _two_kernels(folder: Path, *, plain_first: bool) -> Iterator[tuple[BlockingKernelClient, BlockingKernelClient]]:
    managers = [_manager(name, launcher_only=False) for name in ("local-provisioner", "jupyter-secure")]
    clients: dict[KernelManager, BlockingKernelClient] = {}
    try:
        for manager in managers if plain_first else reversed(managers):
            manager.start_kernel(cwd=str(folder))
            clients[manager] = _ready(manager)
        plain, guarded = (clients[manager] for manager in managers)
        yield plain, guarded
    finally:
        for client in clients.values():
            client.stop_channels()
        for manager in managers:
            if manager.has_kernel:
                manager.shutdown_kernel(now=True)


def _run(client: BlockingKernelClient, code: str) -> Callable[[], float]:
    def run() -> float:
        said: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])

        reply = client.execute_interactive(code, output_hook=hear, timeout=120)
        assert reply["content"]["status"] == "ok", reply
        return float("".join(said))

    return run


def _fifty(folder: Path) -> dict[str, object]:
    before = _left()
    asyncio.run(_start_many(folder))
    after = _left()
    left = sum(len(after[kind] - before[kind]) for kind in before)
    return {
        "name": "guard.fifty",
        "value": left,
        "unit": "left",
        "baseline": 0,
        "ratio": 1.0,
        "limit": 0,
        "over": left > 0,
    }


async def _start_many(folder: Path) -> None:
    async def one() -> None:
        manager = _manager("jupyter-secure", launcher_only=False, kind=AsyncKernelManager)
        await manager.start_kernel(cwd=str(folder))
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=120)
        client.stop_channels()
        await manager.shutdown_kernel()

    for _ in range(KERNELS // AT_ONCE):
        await asyncio.gather(*(one() for _ in range(AT_ONCE)))


def _left() -> dict[str, set[str]]:
    own = Path("/proc/self")
    children = {path.name for path in Path("/proc").iterdir() if path.name.isdigit() and _is_below(path, os.getpid())}
    temporary = Path(tempfile.gettempdir())
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", temporary))
    return {
        "processes": children,
        "mounts": set((own / "mounts").read_text().splitlines()),
        "sockets": {link for fd in (own / "fd").iterdir() if (link := _link(fd)).startswith("socket:")},
        "files": {str(path) for place in (temporary, runtime) for path in place.glob(f"{PREFIX}*")},
    }


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # the listing's own descriptor
        return ""


def _is_below(path: Path, root: int) -> bool:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1]) == root
    except OSError:
        return False


if __name__ == "__main__":
    for entry in measure():
        print(entry)
