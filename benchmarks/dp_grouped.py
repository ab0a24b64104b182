"""`dp.grouped_100k`: a private count by 100,000 public keys over a million sealed rows, as a kernel gets it.

Ours is the whole way, as in `dp_count`: policy with all keys, log and ledger, worker, one draw of noise for each key,
sealed answer, opened table. The baseline is `value_counts` of the same column in a frame that pandas holds already.
"""

from __future__ import annotations

import asyncio
import pathlib
import statistics
import tempfile
import time

import numpy as np
import pyarrow as pa

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.messages import Answer, Query
from jupyter_secure.testing.world import World

ROWS = 1_000_000
KEYS = 100_000
ROUNDS = 5
WARM = 1
LIMIT = 2.0
POLICY = """
[dataset.patients]
tags = { pid = "direct", town = "quasi" }
privacy_unit = "pid"
contributions = 2
keys = { town = KEYS }
budget = { epsilon = "50", delta = "1e-6", default_query = "0.1" }

[[rule]]
id = "scientists-ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"
"""


def measure() -> list[dict[str, object]]:
    """Return the figure."""
    names = [f"t{number:05}" for number in range(KEYS)]
    towns = np.array(names)[np.random.default_rng(7).integers(0, KEYS, ROWS)]
    table = pa.table({"pid": np.arange(ROWS) // 2, "town": towns})
    with tempfile.TemporaryDirectory() as folder, World(pathlib.Path(folder)) as world:
        world.person("ann", "scientist")
        world.seal(table, tags={"pid": Tag.DIRECT, "town": Tag.QUASI})
        world.apply(POLICY.replace("KEYS", str(names)))
        return [asyncio.run(_measure(world, table))]


async def _measure(world: World, table: pa.Table) -> dict[str, object]:
    frame = table.to_pandas()
    ours, plain = [], []
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        for turn in range(WARM + ROUNDS):
            question = '{"v":1,"dataset":"patients","group_by":[{"col":"town"}],"aggs":[{"op":"count","as":"n%d"}]}'
            began = time.perf_counter()
            answer, found = await kernel.fetch(Query(question=question % turn, epsilon="0.1"))
            ours.append(time.perf_counter() - began)
            assert isinstance(answer, Answer)
            assert found is not None
            assert found.num_rows == KEYS + 1
            began = time.perf_counter()
            frame["town"].value_counts()
            plain.append(time.perf_counter() - began)
    value, baseline = statistics.median(ours[WARM:]), statistics.median(plain[WARM:])
    return {
        "name": "dp.grouped_100k",
        "value": value,
        "unit": "s",
        "baseline": baseline,
        "ratio": value / baseline,
        "limit": LIMIT,
        "over": value > LIMIT,
    }
