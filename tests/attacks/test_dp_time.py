"""How long an answer took is told by the grid of times alone, whether it is an answer or a failure.

What a worker does for a count or a mean is compared call by call, Python's and numpy's, so that no clock decides: two
tables that differ in every row, and a condition that all rows of the one meet and none of the other.
"""

import asyncio
import gc
import json
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from jupyter_secure.broker import question
from jupyter_secure.broker.pace import Pace
from jupyter_secure.broker.views.dp import answer
from jupyter_secure.broker.views.dp.job import Normalised, run
from jupyter_secure.broker.views.dp.predicate import certainly
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.dpdomain import DpDomain, NumberDomain
from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.messages import Query
from jupyter_secure.protocol.trainingread import read_asked
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
        begin = pool.begin

        def watched(job, fd):
            task = begin(job, fd)
            task.add_done_callback(lambda _: events.append("computed"))
            return task

        pool.begin = watched
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

        async def fails():
            await asyncio.sleep(after)
            raise SecureError(detail="whatever it was")

        front.desk.pool.begin = lambda job, fd: asyncio.ensure_future(fails())
        with pytest.raises(SecureError, match="stays charged"):
            await kernel.fetch(Query(question=COUNT))
    assert events == ["mark"]


DOMAIN = DpDomain(
    dataset="patients",
    privacy_unit="pid",
    contributions=1,
    columns=(NumberDomain(name="age", lower=0, upper=100, resolution=1),),
)
OLD = {"op": "gt", "col": "age", "value": 50}


def steps(question, ages):
    """Return the name of every function that a warm worker calls to answer, in order."""
    asked = DpQuestion(
        question=read_asked(json.dumps(question)), domain=DOMAIN, version="v", units=1000, bounding_key=bytes(32)
    )
    table = pa.table({"pid": list(range(len(ages))), "age": ages})
    held, found = Normalised(), []

    def note(frame, event, what):
        if event in {"call", "c_call"}:
            found.append(frame.f_code.co_qualname if event == "call" else what.__name__)

    gc.disable()  # when garbage is collected depends on all that ran before, and others' callbacks are called then
    try:
        for tracing in (None, None, note):  # what is kept for later questions is there by the third time
            sys.setprofile(tracing)
            try:
                run(asked, table.select, held, lambda: None)
            finally:
                sys.setprofile(None)
    finally:
        gc.enable()
    return found


@pytest.mark.parametrize("aggregate", [{"op": "count"}, {"op": "mean", "col": "age"}, {"op": "sum", "col": "age"}])
@pytest.mark.parametrize(
    "where", [OLD, {"op": "not", "arg": OLD}, {"op": "between", "col": "age", "lower": 40, "upper": 60}]
)
def test_a_worker_takes_the_same_steps_whichever_rows_match(aggregate, where):
    question = {"v": 1, "dataset": "patients", "where": where, "aggs": [aggregate]}
    young, old = steps(question, [0] * 200_000), steps(question, [100] * 199_000 + [None] * 1_000)
    assert len(young) > 100
    assert young == old


def test_steps_that_follow_the_rows_would_be_noticed(monkeypatch):
    def only_if_any(test, columns, wanted=True):
        found = certainly(test, columns, wanted)
        return found if found.any() else np.zeros(len(found), bool)

    monkeypatch.setattr(answer, "certainly", only_if_any)
    question = {"v": 1, "dataset": "patients", "where": OLD, "aggs": [{"op": "count"}]}
    assert steps(question, [0] * 200_000) != steps(question, [100] * 200_000)
