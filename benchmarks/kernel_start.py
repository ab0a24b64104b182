"""`main.kernel_start`: from the order to start a kernel to its first `kernel_info_reply`, guarded against plain.

Guarded is what people get: the strongest walls of this computer, the measurement and our extension. Plain is Jupyter's
own provisioner. Both start in turn, in changing order; the ratio is the median of the ratios of pairs.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

ROUNDS = 9
LIMIT = 1.3


def measure() -> list[dict[str, object]]:
    """Return the figure."""
    return [asyncio.run(_measure())]


async def _measure() -> dict[str, object]:
    guarded, plain = [], []
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("jupyter-secure", "local-provisioner"):
            await _start(kind, folder)  # caches of the file system
        for turn in range(ROUNDS):
            pair = [("jupyter-secure", guarded), ("local-provisioner", plain)]
            for kind, times in pair if turn % 2 else reversed(pair):
                times.append(await _start(kind, folder))
    ratio = statistics.median(own / base for own, base in zip(guarded, plain, strict=True))
    return {
        "name": "main.kernel_start",
        "value": statistics.median(guarded),
        "unit": "s",
        "baseline": statistics.median(plain),
        "ratio": ratio,
        "limit": LIMIT,
        "over": ratio > LIMIT,
    }


async def _start(provisioner: str, folder: str) -> float:
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager())
    manager.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": provisioner, "config": {}}
    began = time.perf_counter()
    await manager.start_kernel(cwd=folder)
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        return time.perf_counter() - began
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
