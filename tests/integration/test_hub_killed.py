"""The broker of a Hub is killed again and again under load: nothing acknowledged is lost, nothing is paid for twice.

`HUB_KILLS=100` kills it a hundred times.
"""

import asyncio
import contextlib
import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import text

from jupyter_secure.kernel.opener import open_view
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import BudgetError, IntegrityError, UnavailableError
from jupyter_secure.protocol.messages import Load, Query
from jupyter_secure.protocol.record import Kind
from jupyter_secure.server.https import Https
from jupyter_secure.server.remote import Remote
from jupyter_secure.testing.deployment import LOG, RemoteKernel
from jupyter_secure.testing.sealed_data import TableSource
from jupyter_secure.testing.served import Served

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("HUB_KILLS", "20"))
PEOPLE = 4
ROWS = 20_000
POLICY = """
[dataset.patients]
tags = { pid = "direct", age = "quasi" }
privacy_unit = "pid"
contributions = 1
bounds = { age = [0, 100] }
budget = { epsilon = "50", person = "20", delta = "1e-6", default_query = "0.1" }

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


class Person:
    """Somebody whose kernel loads and asks in turn, and asks again what got no answer."""

    def __init__(self, served, name):
        self.name = name
        relay = Remote(Https(served.url, served.tls), served.hub.token(name, ["scientist"]), lambda: None, LOG)
        self.kernel = RemoteKernel(relay, f"kernel-of-{name}")
        self.acknowledged = []  # (number in the log, kind)
        self.answers = {}  # what each question was answered
        self.lost = 0

    async def work(self, until):
        question = 0
        while not until.is_set():
            try:
                await self.load()
                with contextlib.suppress(BudgetError):
                    await self.ask(question)
                question += 1
            except (UnavailableError, IntegrityError):
                self.lost += 1
                await self.return_()

    async def load(self):
        reply, table = await self.fetch(Load(dataset="patients", rung="raw"))
        assert table.num_rows == ROWS
        self.acknowledged.append((reply.seq, Kind.LOAD_DECIDED))

    async def ask(self, number):
        where = f'{{"op":"gt","col":"age","value":{number / 1000}}}'
        question = f'{{"v":1,"dataset":"patients","where":{where},"aggs":[{{"op":"count"}}]}}'
        for _ in range(2):  # the second time from the record
            reply, table = await self.fetch(Query(question=question, epsilon="0.1"))
            self.acknowledged.append((reply.seq, Kind.QUERY_DECIDED))
            assert self.answers.setdefault(number, table) == table

    async def fetch(self, request):
        reply, fd = await self.kernel.start(request)
        try:
            return reply, await asyncio.to_thread(open_view, fd, reply.seal, reply.info, self.kernel.key)
        finally:
            os.close(fd)

    async def return_(self):
        """Say hello to the next broker, as kernels do, with the same grant and key."""
        while True:
            try:
                return await self.kernel.hello()
            except UnavailableError:
                await asyncio.sleep(0.05)


@pytest.fixture
def served(tmp_path, durable_postgres):
    with durable_postgres.database() as url, Served(tmp_path, url) as served:
        table = pa.table({"pid": range(ROWS), "age": [number % 100 for number in range(ROWS)]})
        served.vault.seal(TableSource(table), "patients", {"pid": Tag.DIRECT, "age": Tag.QUASI})
        served.apply(POLICY)
        served.start()
        yield served


# Python's `SSLSocket` leaves itself open when the far side goes between connecting and the handshake; it is collected.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_a_broker_killed_under_load_loses_no_entry_and_spends_nothing_twice(served):
    people, workers = asyncio.run(suffer(served))
    served.stop()
    served.verify()
    deadline = time.monotonic() + 30
    while left := [pid for pid in workers if is_worker(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    entries = {entry.seq: entry for entry in served.vault.audit.entries(limit=None)}
    for person in people:
        assert person.lost
        assert person.answers
        for seq, kind in person.acknowledged:
            assert (entries[seq].header.kind, entries[seq].personal.user) == (kind, person.name)
    check_ledger(served, people)


def is_worker(pid):
    """Say whether a worker runs under that number; the number alone may be somebody else's by now."""
    with contextlib.suppress(OSError):
        return b"jupyter_secure.broker.views.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


async def suffer(served):
    people = [Person(served, f"person-{number}") for number in range(PEOPLE)]
    for person in people:
        await person.kernel.open()
    ended, workers = asyncio.Event(), set()
    tasks = [asyncio.create_task(person.work(ended)) for person in people]
    for _ in range(KILLS):
        await asyncio.sleep(random.uniform(0.05, 0.8))
        workers.update(served.processes()[1:])
        await asyncio.to_thread(served.kill)
        await asyncio.to_thread(served.start)
        for task in tasks:
            assert not task.done(), task.exception()
    before = [len(person.acknowledged) for person in people]
    deadline = time.monotonic() + 60
    while any(
        len(person.acknowledged) == had or not person.answers for person, had in zip(people, before, strict=True)
    ):
        assert time.monotonic() < deadline, "somebody did not recover"
        await asyncio.sleep(0.05)
    ended.set()
    await asyncio.gather(*tasks)
    for person in people:
        await person.kernel.relay.close()
    return people, workers


def check_ledger(served, people):
    """Each answer was paid for once; what a kill cost more is at most the question that each person had under way."""
    with served.vault.engine.connect() as connection:
        bodies = [json.loads(it) for it in connection.execute(text("SELECT body FROM ledger_entries")).scalars()]
        caps = connection.execute(text("SELECT cap, spent FROM ledger_caps")).all()
        kept = connection.execute(text("SELECT count(*) FROM ledger_answers")).scalar()
    debits = Counter(body["question"] for body in bodies if body["kind"] == "debit")
    assert all(spent <= cap for cap, spent in caps)
    assert sum(len(person.answers) for person in people) <= kept <= len(debits)
    assert debits.total() - kept <= sum(person.lost for person in people)
