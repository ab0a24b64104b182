"""How long an answer took is told by the grid of times alone, whether it is an answer or a failure."""

import asyncio
import time

import pyarrow as pa
import pytest

from jupyter_secure.broker import question
from jupyter_secure.broker.pace import Pace
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.messages import Query
from jupyter_secure.testing.world import World

POLICY = """
[dataset.patients]
tags = { pid = "direct", age = "measure" }
privacy_unit = "pid"
bounds = { age = [0, 100] }
budget = { epsilon = "5", delta = "1e-6", default_query = "0.1" }

[[rule]]
id = "scientists-ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"
"""
COUNT = '{"v":1,"dataset":"patients","aggs":[{"op":"count"}]}'


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        world.person("eve", "scientist")
        table = pa.table({"pid": [f"p{n}" for n in range(50)], "age": list(range(50))})
        world.seal(table, tags={"pid": Tag.DIRECT, "age": Tag.MEASURE})
        world.apply(POLICY)
        yield world
        world.verify()


class Watched(Pace):
    """The real grid, which writes down when it was waited for."""

    events = None

    began = None

    async def mark(self):
        await super().mark()
        self.events.append("mark")
        Watched.began = self._began


@pytest.fixture
def events(monkeypatch):
    found = []
    monkeypatch.setattr(Watched, "events", found)
    monkeypatch.setattr(question, "Pace", Watched)
    return found


async def test_an_answer_leaves_at_a_mark(world, events):
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        pool = front.desk.pool
        run = pool.run

        async def watched(job):
            finished = await run(job)
            events.append("computed")
            return finished

        pool.run = watched
        _, table = await kernel.fetch(Query(question=COUNT))
        events.append("delivered")
    assert table.num_rows == 1
    assert events == ["computed", "mark", "delivered"]


async def test_reading_who_asks_is_part_of_the_time_that_the_grid_hides(world, events):
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        read, records = front.desk._caller, []

        def reading(*of):
            records.append(time.monotonic())
            return read(*of)

        front.desk._caller = reading
        asked = time.monotonic()
        await kernel.fetch(Query(question=COUNT))
    assert asked <= Watched.began <= records[0]


@pytest.mark.parametrize("after", [0.0, 0.05])
async def test_a_failure_leaves_at_a_mark_too(world, events, after):
    async with world.desk() as front:
        kernel = await front.kernel("eve")

        async def fails(job):
            await asyncio.sleep(after)
            raise SecureError(detail="whatever it was")

        front.desk.pool.run = fails
        with pytest.raises(SecureError, match="stays charged"):
            await kernel.fetch(Query(question=COUNT))
    assert events == ["mark"]
