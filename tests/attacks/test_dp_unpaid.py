"""What nobody paid for draws no noise and leaves nothing: whatever was summed before is forgotten."""

import asyncio
import base64
import json
import os
import time

import numpy as np
import opendp.mod
import pyarrow as pa
import pytest

from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.gate import Gate
from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.spending import Spending
from jupyter_secure.broker.views import payment
from jupyter_secure.broker.views.dp import answer as answering
from jupyter_secure.broker.views.dp.job import Normalised, run
from jupyter_secure.broker.views.question import DpQuestion
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.dpdomain import CategoryDomain, DpDomain, NumberDomain, OpenDomain
from jupyter_secure.protocol.errors import BudgetError, CancelledError, IntegrityError, InvalidRequestError, SecureError
from jupyter_secure.protocol.messages import Answer, Hello, Query
from jupyter_secure.protocol.trainingread import read_asked
from jupyter_secure.testing.world import World
from tests.waiting import until

POLICY = """
[dataset.patients]
tags = { pid = "direct", age = "measure" }
privacy_unit = "pid"
bounds = { age = [0, 100] }
budget = { epsilon = "5", person = "0.25", delta = "1e-6", default_query = "0.2" }

[[rule]]
id = "scientists-ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"
"""
DOMAIN = DpDomain(
    dataset="patients",
    privacy_unit="pid",
    contributions=1,
    columns=(
        NumberDomain(name="age", lower=0, upper=50_000, resolution=1),
        CategoryDomain(name="sex", keys=("F", "M")),
        OpenDomain(name="city", delta="0.0000005"),
    ),
)
ROWS = 400
TABLE = pa.table(
    {
        "pid": np.arange(ROWS),
        "age": np.arange(ROWS) * 100,
        "sex": ["F", "M"] * (ROWS // 2),
        "city": ["Ulm", "Bonn"] * (ROWS // 2),
    }
)
KINDS = {
    "count": {"aggs": [{"op": "count"}]},
    "mean": {"aggs": [{"op": "mean", "col": "age"}]},
    "histogram": {"group_by": [{"col": "age", "width": 1000}], "aggs": [{"op": "count"}]},
    "quantile": {"aggs": [{"op": "quantile", "col": "age", "q": 0.5}]},
    "grouped": {"group_by": [{"col": "sex"}], "aggs": [{"op": "quantile", "col": "age", "q": 0.5}]},
    "persons": {"aggs": [{"op": "persons"}]},
    "open": {"group_by": [{"col": "city"}], "aggs": [{"op": "persons"}]},
    "training": {"train": {"op": "gradient", "target": "sex", "steps": 2}, "features": [{"col": "age"}]},
}


@pytest.fixture
def drawn(monkeypatch):
    """Give a list that hears of every draw of noise."""
    draws = []
    invoke = opendp.mod.Measurement.__call__

    def heard(self, *of):
        draws.append("drawn")
        return invoke(self, *of)

    monkeypatch.setattr(opendp.mod.Measurement, "__call__", heard)
    return draws


def answer(fields, paid):
    asked = read_asked(json.dumps({"v": 1, "dataset": "patients"} | fields))
    kind = "training" if "train" in fields else "question"
    job = DpQuestion(**{"question": None, kind: asked}, domain=DOMAIN, version="v", units=10**9, bounding_key=bytes(32))
    return run(job, lambda names: TABLE.select(list(names)), Normalised(), paid)


@pytest.mark.parametrize("fields", KINDS.values(), ids=KINDS)
def test_no_noise_is_drawn_before_the_word_that_it_is_paid(fields, drawn):
    def refused():
        raise CancelledError

    with pytest.raises(SecureError, match="stays charged"):
        answer(fields, refused)
    assert drawn == []
    assert answer(fields, lambda: drawn.append("paid")).rows > 0
    assert drawn[0] == "paid"
    assert "drawn" in drawn


def test_noise_that_does_not_wait_would_be_noticed(drawn, monkeypatch):
    exact = answering.aggregate

    def hasty(*of):
        found = exact(*of)
        answering.release(
            np.ones(1, np.int64), answering._noise(of[0], bound[0]), answering.sensitivity(of[0], 1), bound[0].price
        )
        return found

    bound, ask = [], answering.answer
    monkeypatch.setattr(answering, "aggregate", hasty)
    monkeypatch.setattr("jupyter_secure.broker.views.dp.asking.answer", lambda *of: bound.append(of[0]) or ask(*of))
    with pytest.raises(SecureError):
        answer(KINDS["count"], lambda: (_ for _ in ()).throw(CancelledError))
    assert drawn == ["drawn"]


@pytest.mark.parametrize("said", [b"", b"\0", b"0", b"\2\1"])
def test_whatever_else_is_said_counts_as_no(said):
    reading, writing = os.pipe()
    os.write(writing, said)
    os.close(writing)
    with pytest.raises(CancelledError):
        payment.word(reading)()
    os.close(reading)


def test_a_worker_that_was_given_nothing_to_listen_to_is_not_paid():
    with pytest.raises(CancelledError):
        payment.word(None)()


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        world.person("eve", "scientist")
        world.seal(
            pa.table({"pid": list(range(50)), "age": list(range(50))}), tags={"pid": Tag.DIRECT, "age": Tag.MEASURE}
        )
        world.apply(POLICY)
        yield world
        world.verify()


def count(least):
    where = {"op": "gt", "col": "age", "value": least}
    return Query(question=json.dumps({"v": 1, "dataset": "patients", "where": where, "aggs": [{"op": "count"}]}))


def begun(pool):
    """Return a list of the work on every question that is begun."""
    works, begin = [], pool.begin

    def heard(job, fd):
        works.append(begin(job, fd))
        return works[-1]

    pool.begin = heard
    return works


async def test_nobody_keeps_workers_busy_with_what_will_not_be_paid(world):
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        works = begun(front.desk.pool)
        paid, _ = await kernel.fetch(count(1))
        for least in range(2, 12):
            with pytest.raises(BudgetError, match="does not allow"):
                await kernel.fetch(count(least))
        again, table = await kernel.fetch(count(1))
    assert again.repeated
    assert table.num_rows == 1
    assert isinstance(paid, Answer)
    assert len(works) == 1


async def test_whoever_loses_a_race_for_the_last_of_a_budget_is_refused_and_leaves_no_work_behind(world, monkeypatch):
    monkeypatch.setattr(Spending, "charges", lambda *of: True)
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        works, pool = begun(front.desk.pool), front.desk.pool
        await until(lambda: pool.workers == (2, 2))
        await kernel.fetch(count(1))
        for least in range(2, 7):  # more than there are workers
            with pytest.raises(BudgetError, match="does not allow"):
                await kernel.fetch(count(least))
            assert all(work.done() for work in works)
        again, table = await kernel.fetch(count(1))
        await until(lambda: pool.workers == (2, 2))
    assert again.repeated
    assert table.num_rows == 1
    assert len(works) == 7


@pytest.mark.parametrize("moment", [0.05, 0.2])
async def test_cancelling_what_is_not_paid_leaves_no_work_behind_either(world, monkeypatch, moment):
    monkeypatch.setattr(Spending, "charges", lambda *of: True)
    monkeypatch.setattr(Ledger, "reserve", lambda *of, **more: time.sleep(0.1) or refuse())
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        works, pool = begun(front.desk.pool), front.desk.pool
        await until(lambda: pool.workers == (2, 2))
        asking = asyncio.create_task(kernel.fetch(count(1)))
        await until(lambda: works)
        await asyncio.sleep(moment)
        asking.cancel()
        with pytest.raises((asyncio.CancelledError, BudgetError)):
            await asking
        assert all(work.done() for work in works)
        assert not front.desk._counter._gate.turns["eve"].locked()


async def test_a_budget_that_grows_in_between_pays(world, monkeypatch):
    monkeypatch.setattr(Spending, "charges", lambda *of: False)
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        answer, table = await kernel.fetch(count(1))
    assert not answer.repeated
    assert table.num_rows == 1


async def test_a_failure_after_a_late_begin_is_as_any_other_after_the_charge(world, monkeypatch):
    monkeypatch.setattr(Spending, "charges", lambda *of: False)

    def damaged(*of):
        raise IntegrityError(detail="no footer")

    async with world.desk() as front:
        kernel = await front.kernel("eve")
        monkeypatch.setattr(Gate, "open_parts", damaged)
        with pytest.raises(SecureError, match="stays charged"):
            await kernel.fetch(count(1))


async def test_a_ledger_that_fails_leaves_workers_to_others(world, monkeypatch):
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        with monkeypatch.context() as patch:
            patch.setattr(
                Ledger, "reserve", lambda *of, **more: time.sleep(0.2) or refuse()
            )  # the sums are done by then
            with pytest.raises(BudgetError):
                await kernel.fetch(count(1))
        _, table = await kernel.fetch(count(1))
        assert table.num_rows == 1
        await until(lambda: front.desk.pool.workers == (2, 2))


@pytest.mark.parametrize("place", [(AuditLog, "append"), (Ledger, "attach")])
async def test_what_fails_after_the_charge_says_that_it_stays_charged_and_leaves_no_work_behind(
    world, monkeypatch, place
):
    def fails(*of, **more):
        raise OSError("disk")

    async with world.desk() as front:
        kernel = await front.kernel("eve")
        works = begun(front.desk.pool)
        with monkeypatch.context() as patch:
            patch.setattr(*place, fails)
            with pytest.raises(SecureError, match="stays charged"):
                await kernel.fetch(count(1))
        assert [work.done() for work in works] == [True]
        with pytest.raises(BudgetError):
            await kernel.fetch(count(2))


async def test_a_question_that_is_cancelled_while_the_ledger_writes_is_charged_and_answers_nobody(world, monkeypatch):
    reserve = Ledger.reserve

    def slow(*of, **more):
        time.sleep(0.2)
        return reserve(*of, **more)

    async with world.desk() as front:
        kernel = await front.kernel("eve")
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "reserve", slow)
            asking = asyncio.create_task(kernel.fetch(count(1)))
            await asyncio.sleep(0.1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        with pytest.raises(BudgetError):  # the budget pays for one alone
            await kernel.fetch(count(2))


async def test_what_waits_for_a_worker_is_not_given_one_once_it_will_not_be_paid(world, monkeypatch):
    monkeypatch.setattr(Spending, "charges", lambda *of: True)
    monkeypatch.setattr(Ledger, "reserve", lambda *of, **more: refuse())
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        pool = front.desk.pool
        await until(lambda: pool.workers == (2, 2))
        busy = [await pool._take(), await pool._take()]
        for least in range(6):
            with pytest.raises(BudgetError):
                await asyncio.wait_for(kernel.fetch(count(least)), 5)
        assert not pool._tasks
        for process in busy:
            pool._idle.put_nowait(process)


async def test_a_key_that_nothing_can_be_sealed_to_is_refused_at_the_door(world):
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        for point in (bytes(32), b"\1" + bytes(31)):
            with pytest.raises(InvalidRequestError, match="X25519"):
                await kernel.ask(Hello(public_key=base64.b64encode(point).decode()))


def refuse():
    raise BudgetError
