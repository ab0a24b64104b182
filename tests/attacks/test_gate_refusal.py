"""Whoever may not use a dataset cannot find out that it exists."""

import asyncio
import contextlib
import json

import msgspec
import pyarrow as pa
import pytest
import sqlalchemy.event

from jupyter_secure.broker import refusal
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import IntegrityError, SecureError
from jupyter_secure.protocol.messages import (
    AskAccess,
    Budget,
    Catalog,
    Load,
    PanelBudget,
    PanelCatalog,
    PanelLineage,
    PanelLog,
    PanelWhy,
    Query,
    Why,
)
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.world import World

TABLE = pa.table({"person": ["a", "b", "c"], "age": [31, 47, 52]})
TAGS = {"person": Tag.DIRECT, "age": Tag.QUASI}
POLICY = """
[dataset.patients]
privacy_unit = "person"
bounds = { age = [0, 100] }

[dataset.patients.budget]
epsilon = "3.0"
person = "1.0"
default_query = "0.1"

[dataset.spoiled]
[dataset.planned]

[purpose.study]
title = "A study"

[[rule]]
id = "scientists-see-raw"
to = ["role:scientist"]
datasets = ["patients", "spoiled", "planned"]
view = "raw"

[[rule]]
id = "scientists-ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"
"""
MISSING = "never-was"
FORBIDDEN = {
    "patients": "sealed, and for others",
    "undeclared": "sealed, and the policy does not speak of it",
    "planned": "the policy speaks of it, and it is not sealed",
    "spoiled": "sealed, for others, and its manifest is damaged",
}


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        for name, role in [("ann", "scientist"), ("bob", "engineer"), ("olaf", "officer")]:
            world.person(name, role)
        for name in ("patients", "undeclared", "spoiled"):
            world.seal(TABLE, name, TAGS)
        world.apply(POLICY)
        manifest = world.path / "datasets" / "spoiled" / "1" / "manifest.json"
        manifest.write_bytes(manifest.read_bytes()[:-40])
        yield world
        world.verify()


def requests(dataset):
    """Everything by which a kernel can name a dataset."""
    for rung in (None, *Rung):
        yield Load(dataset=dataset, rung=rung)
    for columns in ((), ("age",), ("no-such-column",), ("person", "age")):
        yield Load(dataset=dataset, columns=columns)
    for purpose in ("study", "no-such-purpose"):
        yield Load(dataset=dataset, purpose=purpose)
        yield Why(dataset=dataset, purpose=purpose)
    for column in (None, "age", "no-such-column"):
        yield Why(dataset=dataset, column=column)
    yield Budget(dataset=dataset)
    for purpose in (None, "study", "no-such-purpose"):
        yield AskAccess(dataset=dataset, rung=Rung.RAW, purpose=purpose, reason="let me in", days=1)
    for asked in ({"op": "count"}, {"op": "mean", "col": "age"}, {"op": "sum", "col": "no-such-column"}):
        question = json.dumps({"v": 1, "dataset": dataset, "aggs": [asked]})
        yield Query(question=question)
        yield Query(question=question, epsilon="999.5", purpose="study")
        yield Query(question=question, preview=True)


async def said(answering):
    try:
        return msgspec.to_builtins(await answering)
    except SecureError as error:
        return (error.code, error.public, error.status)


async def observed(world, dataset):
    """Everything that bob sees when he asks about a dataset in every way, with its name taken out."""
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        answers = [await said(kernel.ask(request)) for request in requests(dataset)]
        ticket = kernel.ticket
        for column in (None, "age"):
            for grant in (None, kernel.grant):
                body = PanelWhy(ticket=ticket, dataset=dataset, column=column, grant=grant)
                answers.append(await said(front.ask(body)))
        answers += [
            await said(front.ask(PanelCatalog(ticket=ticket))),
            await said(front.ask(PanelBudget(ticket=ticket, grant=kernel.grant))),
            await said(front.ask(PanelLineage(ticket=ticket, notebook="study.ipynb"))),
            await said(kernel.ask(Catalog())),
        ]
        log = (await front.ask(PanelLog(ticket=ticket, limit=200))).entries
        changes = len(front.changes)
    shown = [(msgspec.to_builtins(entry.header), msgspec.to_builtins(entry.personal)) for entry in log]
    for header, personal in shown:
        header.pop("time"), header.pop("request", None), personal.pop("kernel", None)
    return json.dumps([answers, shown, changes]).replace(dataset, "DATASET")


@pytest.mark.parametrize("dataset", FORBIDDEN, ids=FORBIDDEN.get)
async def test_a_forbidden_dataset_cannot_be_told_from_a_missing_one(world, tmp_path, dataset):
    forbidden = await observed(world, dataset)
    other = tmp_path / "other"
    other.mkdir()
    with World(other) as empty:
        empty.person("bob", "engineer")
        empty.apply(POLICY)
        missing = await observed(empty, MISSING)
    assert forbidden == missing


async def test_what_is_compared_would_show_a_difference(world):
    async with world.desk() as front:
        ann, bob = await front.kernel("ann"), await front.kernel("bob")
        assert await said(ann.ask(Why(dataset="patients"))) != await said(bob.ask(Why(dataset="patients")))
        assert await said(ann.ask(Load(dataset=MISSING))) != await said(ann.ask(Load(dataset="patients", rung=Rung.DP)))


@pytest.mark.parametrize("request_of", [lambda name: Load(dataset=name), lambda name: Why(dataset=name)])
async def test_a_refusal_costs_the_same_reads_whatever_its_reason(world, request_of):
    counted = {}
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        await said(kernel.ask(request_of("patients")))  # the policy is compiled and the manifest verified once
        for name in (*FORBIDDEN, MISSING):
            statements = []
            engine = front.desk.vault.engine

            def count(_connection, _cursor, statement, *_):
                statements.append(statement)  # noqa: B023 - removed again before the next turn

            sqlalchemy.event.listen(engine, "before_cursor_execute", count)
            await said(kernel.ask(request_of(name)))
            sqlalchemy.event.remove(engine, "before_cursor_execute", count)
            counted[name] = sorted(statements)
    assert len({json.dumps(statements) for statements in counted.values()}) == 1, counted


NAMED = [
    lambda name: Load(dataset=name),
    lambda name: Why(dataset=name),
    lambda name: Budget(dataset=name),
    lambda name: AskAccess(dataset=name, reason="let me in", days=1),
    lambda name: Query(question=json.dumps({"v": 1, "dataset": name, "aggs": [{"op": "count"}]})),
]


@pytest.mark.parametrize("request_of", NAMED, ids=["load", "why", "budget", "ask", "query"])
async def test_a_refusal_takes_a_time_of_its_own_whatever_its_reason(world, monkeypatch, request_of):
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        names = (*FORBIDDEN, MISSING)
        assert {(await said(kernel.ask(request_of(name))))[0] for name in names} == {"refused"}
        monkeypatch.setattr(refusal, "EVEN", 3600.0)
        asked = [asyncio.create_task(said(kernel.ask(request_of(name)))) for name in names]
        await asyncio.wait(asked, timeout=0.5)
        assert not any(task.done() for task in asked)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def test_damage_is_told_to_whoever_may_use_the_dataset_and_hides_no_other(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        with pytest.raises(IntegrityError):
            await kernel.ask(Load(dataset="spoiled"))
        assert [offer.dataset for offer in (await kernel.ask(Catalog())).offers] == ["patients"]
        with contextlib.suppress(SecureError):
            await (await front.kernel("bob")).ask(Load(dataset="spoiled"))
        log = (await front.ask(PanelLog(ticket=await front.login("olaf")))).entries
    decided = [entry.header for entry in log if entry.header.kind == "load.decided"]
    assert [(header.outcome, header.error) for header in decided] == [("refused", None), ("refused", "integrity")]


async def test_an_officer_sees_which_policy_refused(world):
    async with world.desk() as front:
        with contextlib.suppress(SecureError):
            await (await front.kernel("bob")).ask(Load(dataset="patients"))
        log = (await front.ask(PanelLog(ticket=await front.login("olaf")))).entries
    refused = next(entry.header for entry in log if entry.header.outcome == "refused")
    assert refused.version == 1
    assert refused.policy
    assert refused.decision
