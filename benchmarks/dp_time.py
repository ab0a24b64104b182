"""`dp.ready_*`: when an answer is ready to leave, against the marks of the grid at which answers leave.

The whole way up to the wait for the mark, as in `dp_count`. Half of the questions match every row and half no row, in
turn: the value is the time that nine of ten stay below, the ratio tells how much longer it takes when all rows match.
The limit is the mark of that kind: questions that lie on both sides of a mark tell the most about the rows. Policy is
asked once more as soon as there is an answer, and not just before the mark, so that the time is that of the work.
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
MEASURED = '"aggs":[{"op":"mean","col":"cost"}]'
SHARES = ",".join(f'{{"op":"quantile","col":"cost","q":0.{part},"as":"q{part}"}}' for part in (2, 4, 6, 8))
KINDS = {  # what is asked, and by which mark it should be ready
    "count": ('"aggs":[{"op":"count"}]', FIRST_MARK),
    "mean": (MEASURED, FIRST_MARK),
    "histogram": ('"group_by":[{"col":"cost","width":1000}],"aggs":[{"op":"count"}]', FIRST_MARK),
    "grouped": (f'"group_by":[{{"col":"age","width":1}}],{MEASURED}', 2 * FIRST_MARK),
    "quantiles": (f'"aggs":[{SHARES}]', 2 * FIRST_MARK),
}


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
        async def nearly(self) -> None:
            pass

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
        return [await _figure(kernel, name, asked, mark, ready) for name, (asked, mark) in KINDS.items()]


async def _figure(kernel: Kernel, name: str, asked: str, mark: float, ready: list[float]) -> dict[str, object]:
    del ready[:]
    for turn in range(2 * (WARM + ROUNDS)):
        least = 40_000 + turn if turn % 2 else turn / 1000  # both inside the bounds, so it is one question
        where = f'{{"op":"gt","col":"cost","value":{least}}}'
        question = f'{{"v":1,"dataset":"patients","where":{where},{asked}}}'
        await kernel.fetch(Query(question=question, epsilon="0.01"))
    every, none = ready[2 * WARM :: 2], ready[2 * WARM + 1 :: 2]
    value = 1000 * statistics.quantiles(every + none, n=10)[8]
    return {
        "name": f"dp.ready_{name}",
        "value": round(value, 2),
        "unit": "ms",
        "baseline": round(1000 * statistics.median(none), 2),
        "ratio": round(statistics.median(every) / statistics.median(none), 3),
        "limit": 1000 * mark,
        "over": value > 1000 * mark,
    }
