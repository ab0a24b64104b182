"""`dp.ready_*`: when an answer is ready to leave, against the marks of the grid at which answers leave.

The whole way up to the wait for the mark, as in `dp_count`. Half of the questions match every row and half no row, in
turn: the value is the time that nine of ten stay below, the ratio tells how much longer it takes when all rows match.
The limit is the first mark: questions of one kind that lie on both sides of a mark tell the most about the rows.
"""

from __future__ import annotations

import asyncio
import pathlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.dp_count import POLICY, patients
from jupyter_secure.broker import question
from jupyter_secure.broker.pace import FIRST_MARK, Pace
from jupyter_secure.broker.service.process import take_short_turns
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.messages import Query
from jupyter_secure.testing.world import Kernel, World

ROUNDS = 40
WARM = 6
KINDS = {"count": '{"op":"count"}', "mean": '{"op":"mean","col":"cost"}'}


def measure() -> list[dict[str, object]]:
    """Return the figures."""
    take_short_turns()  # as the broker's process does
    with tempfile.TemporaryDirectory() as folder, World(pathlib.Path(folder)) as world, watched() as ready:
        world.person("ann", "scientist")
        world.seal(patients(), tags={"pid": Tag.DIRECT, "age": Tag.QUASI, "cost": Tag.MEASURE})
        world.apply(POLICY)
        return asyncio.run(_measure(world, ready))


@contextmanager
def watched() -> Iterator[list[float]]:
    """Give a list that is told, in seconds after the question came, when each answer was ready."""
    ready: list[float] = []

    class Watched(Pace):
        async def mark(self) -> None:
            ready.append(time.monotonic() - self._began)
            await super().mark()

    question.Pace = Watched  # type: ignore[misc]
    try:
        yield ready
    finally:
        question.Pace = Pace  # type: ignore[misc]


async def _measure(world: World, ready: list[float]) -> list[dict[str, object]]:
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        return [await _figure(kernel, name, aggregate, ready) for name, aggregate in KINDS.items()]


async def _figure(kernel: Kernel, name: str, aggregate: str, ready: list[float]) -> dict[str, object]:
    del ready[:]
    for turn in range(2 * (WARM + ROUNDS)):
        least = 40_000 + turn if turn % 2 else turn / 1000  # both inside the bounds, so it is one question
        where = f'{{"op":"gt","col":"cost","value":{least}}}'
        asked = f'{{"v":1,"dataset":"patients","where":{where},"aggs":[{aggregate}]}}'
        await kernel.fetch(Query(question=asked, epsilon="0.01"))
    every, none = ready[2 * WARM :: 2], ready[2 * WARM + 1 :: 2]
    value = 1000 * statistics.quantiles(every + none, n=10)[8]
    return {
        "name": f"dp.ready_{name}",
        "value": round(value, 2),
        "unit": "ms",
        "baseline": round(1000 * statistics.median(none), 2),
        "ratio": round(statistics.median(every) / statistics.median(none), 3),
        "limit": 1000 * FIRST_MARK,
        "over": value > 1000 * FIRST_MARK,
    }
