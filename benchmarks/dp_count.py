"""`main.dp_count`: a private count with a filter over a million sealed rows, as a kernel gets it, against pandas.

Ours is the whole way: policy, log and ledger (on disk, with fsync), anchor, worker, noise, sealed answer, opened table.
The columns are warm, as after any earlier question about them; every question is a new one, so none comes from the
record. The baseline is the exact count of the same rows in a frame that pandas holds already. The bar is the time.
"""

from __future__ import annotations

import asyncio
import pathlib
import statistics
import tempfile
import time

import numpy as np
import pyarrow as pa

from jupyter_secure.broker.service.process import take_short_turns
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.messages import Answer, Query
from jupyter_secure.testing.world import Kernel, World

ROWS = 1_000_000
ROUNDS = 40
WARM = 6
LIMIT = 0.050
POLICY = """
[dataset.patients]
tags = { pid = "direct", age = "quasi", cost = "measure" }
privacy_unit = "pid"
contributions = 2
bounds = { age = [0, 120], cost = [0, 50000] }
budget = { epsilon = "50", delta = "1e-6", default_query = "0.1" }

[[rule]]
id = "scientists-ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"
"""


def measure() -> list[dict[str, object]]:
    """Return the figure."""
    table = patients()
    take_short_turns()  # as the broker's process does
    with tempfile.TemporaryDirectory() as folder, World(pathlib.Path(folder)) as world:
        world.person("ann", "scientist")
        world.seal(table, tags={"pid": Tag.DIRECT, "age": Tag.QUASI, "cost": Tag.MEASURE})
        world.apply(POLICY)
        return [asyncio.run(_measure(world, table))]


def patients() -> pa.Table:
    """Return the rows: two of each person."""
    rng = np.random.default_rng(7)
    return pa.table(
        {
            "pid": np.arange(ROWS) // 2,
            "age": rng.integers(0, 100, ROWS),
            "cost": np.round(rng.gamma(2, 1000, ROWS), 2),
        }
    )


async def _measure(world: World, table: pa.Table) -> dict[str, object]:
    frame = table.to_pandas()
    ours, plain = [], []
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        for turn in range(WARM + ROUNDS):
            least = 1000 + turn / 100
            began = time.perf_counter()
            await _count(kernel, least)
            ours.append(time.perf_counter() - began)
            began = time.perf_counter()
            int((frame["cost"] > least).sum())
            plain.append(time.perf_counter() - began)
    value, baseline = statistics.median(ours[WARM:]), statistics.median(plain[WARM:])
    return {
        "name": "main.dp_count",
        "value": value,
        "unit": "s",
        "baseline": baseline,
        "ratio": value / baseline,
        "limit": LIMIT,
        "over": value > LIMIT,
    }


async def _count(kernel: Kernel, least: float) -> None:
    where = f'{{"op":"gt","col":"cost","value":{least}}}'
    question = f'{{"v":1,"dataset":"patients","where":{where},"aggs":[{{"op":"count"}}]}}'
    answer, table = await kernel.fetch(Query(question=question, epsilon="0.01"))
    assert isinstance(answer, Answer)
    assert not answer.repeated
    assert table is not None
    assert table.num_rows == 1
