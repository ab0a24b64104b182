"""`main.kernel_start`: from the order to start a kernel to its first `kernel_info_reply`, guarded against plain.

Guarded is what people get: the strongest walls of this computer, the measurement and our extension. Plain is Jupyter's
own provisioner.
"""

from __future__ import annotations

import asyncio
import functools
import tempfile
import time

from jupyter_client.manager import AsyncKernelManager

from benchmarks.paired import pairs, ratio_figure

ROUNDS = 9
LIMIT = 1.3


def measure() -> list[dict[str, object]]:
    """Return the figure."""
    with tempfile.TemporaryDirectory() as folder:
        plain, guarded = (
            functools.partial(_seconds, provisioner, folder) for provisioner in ("local-provisioner", "jupyter-secure")
        )
        return [ratio_figure("main.kernel_start", pairs(plain, guarded, ROUNDS), LIMIT)]


def _seconds(provisioner: str, folder: str) -> float:
    return asyncio.run(_start(provisioner, folder))


async def _start(provisioner: str, folder: str) -> float:
    manager = AsyncKernelManager(kernel_name="python3")
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
