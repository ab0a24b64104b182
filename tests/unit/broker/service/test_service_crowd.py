"""What lets many people be served at once: nothing blocks the event loop, and waiting is not counted as silence."""

import asyncio
import resource
import threading

import pyarrow as pa
import pytest
from sqlalchemy import event

from jupyter_secure.broker.authn import hub as authn_hub
from jupyter_secure.broker.authn.hub import Hub
from jupyter_secure.broker.service.http import allow_descriptors
from jupyter_secure.broker.vault import wall_clock
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.messages import (
    Budget,
    Catalog,
    Load,
    PanelBudget,
    PanelCatalog,
    PanelLineage,
    PanelLog,
    PanelWhy,
    Query,
    Status,
    WhoAmI,
    Why,
)
from jupyter_secure.testing import hub as testing_hub
from jupyter_secure.testing.deployment import Deployment
from jupyter_secure.testing.world import World

DP = """
[dataset.patients]
tags = { age = "quasi" }
privacy_unit = "pid"
contributions = 1
bounds = { age = [0, 2000] }
budget = { epsilon = "5", delta = "1e-6", default_query = "0.1" }

[[rule]]
id = "asked"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"

[[rule]]
id = "raw"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"
"""
COUNT = Query(question='{"v":1,"dataset":"patients","aggs":[{"op":"count"}]}')


@pytest.fixture
async def served(tmp_path, postgres_url):
    """A deployment whose database is a server; a few short reads of a file are made at once."""
    with World(tmp_path, database_url=postgres_url) as world:
        table = pa.table({"pid": list(range(100)), "age": list(range(100))})
        world.seal(table, tags={"pid": Tag.DIRECT, "age": Tag.QUASI})
        world.apply(DP)
        async with Deployment(world, tmp_path) as deployment:
            yield deployment
        world.verify()


@pytest.fixture
async def statements(served):
    """The threads in which statements of the service ran; the test's thread is the loop's."""
    threads = []
    async with served.service() as service:
        kernel = await served.kernel(served.hub.token("ann", ["scientist"]))

        def executed(*_):
            threads.append(threading.current_thread())

        event.listen(service.desk.vault.engine, "before_cursor_execute", executed)
        yield kernel, threads


@pytest.mark.parametrize(
    "request_", [Load(dataset="patients"), Status(), Catalog(), Why(dataset="patients"), Budget()], ids=repr
)
async def test_what_a_kernel_asks_waits_for_the_database_outside_the_event_loop(statements, request_):
    kernel, threads = statements
    if isinstance(request_, Load):
        await kernel.load(request_)
    else:
        await kernel.ask(request_)
    assert threads
    assert threading.main_thread() not in threads


async def test_a_question_waits_for_the_database_outside_the_event_loop(statements):
    kernel, threads = statements
    await kernel.ask(Query(question=COUNT.question, preview=True))
    await kernel.load(COUNT)
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(
    "body",
    [
        WhoAmI(ticket=""),
        PanelCatalog(ticket=""),
        PanelWhy(ticket="", dataset="patients"),
        PanelBudget(ticket=""),
        PanelLog(ticket=""),
        PanelLineage(ticket="", notebook="study.ipynb"),
    ],
    ids=lambda body: type(body).__name__,
)
async def test_what_a_sidebar_asks_waits_for_the_database_outside_the_event_loop(statements, body):
    kernel, threads = statements
    await kernel.relay.request(body)
    assert threads
    assert threading.main_thread() not in threads


async def test_a_place_in_the_queue_to_a_slow_hub_is_not_the_silence_of_the_hub(monkeypatch):
    async def slow(self):
        await asyncio.sleep(0.3)
        self.write(self.hub.model(self.request.headers["Authorization"].removeprefix("token ")))

    monkeypatch.setattr(authn_hub, "AT_ONCE", 1)
    monkeypatch.setattr(authn_hub, "PATIENCE", 2.0)  # for one answer there is time, not for all ten
    monkeypatch.setattr(testing_hub._User, "get", slow)
    api = testing_hub.HubApi()
    api.start()
    hub = Hub(api.url, wall_clock)
    try:
        tokens = [api.token(f"person-{number}") for number in range(10)]
        found = await asyncio.gather(*(hub.introspect(token) for token in tokens))
        assert [it.principal.name for it in found] == [f"person-{number}" for number in range(10)]
    finally:
        hub.close()
        await api.stop()


def test_a_service_may_have_as_many_descriptors_as_its_user():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        allow_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
