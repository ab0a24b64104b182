"""The one door: who gets what, what is recorded when, and what happens when a step fails."""

import datetime as dt
import json

import pyarrow as pa
import pytest

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import (
    AuditUnavailableError,
    IntegrityError,
    InvalidRequestError,
    LockedError,
    RefusedError,
)
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.messages import (
    Budget,
    Catalog,
    Delivery,
    Handle,
    Load,
    PanelLineage,
    PanelLog,
    Query,
    Status,
    Why,
)
from jupyter_secure.protocol.record import Kind
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.world import World, full_disk

POLICY = """
[dataset.patients]
privacy_unit = "patient_id"
bounds = { age = [0, 100], cost = [0, 50000] }
keys = { sex = ["f", "m"] }

[dataset.patients.budget]
epsilon = "3.0"
person = "1.0"
default_query = "0.1"

[purpose.study]
title = "A study"
project = "alpha"

[[rule]]
id = "stewards-see-raw"
to = ["role:steward"]
datasets = ["patients"]
view = "raw"

[[rule]]
id = "scientists-get-masked"
to = ["role:scientist"]
datasets = ["patients"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize", sensitive = "suppress", measure = "keep" }
when = { purpose = ["study"], guard = "G2" }

[[rule]]
id = "scientists-ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"
"""
TAGS = {
    "patient_id": Tag.DIRECT,
    "name": Tag.DIRECT,
    "age": Tag.QUASI,
    "born": Tag.QUASI,
    "sex": Tag.QUASI,
    "diagnosis": Tag.SENSITIVE,
    "cost": Tag.MEASURE,
}
ROWS = 1000


def patients():
    return pa.table(
        {
            "patient_id": [f"P{n:05}" for n in range(ROWS)],
            "name": [f"Canary Person {n}" for n in range(ROWS)],
            "age": [n % 90 for n in range(ROWS)],
            "born": [dt.date(1930 + n % 60, 5, 17) for n in range(ROWS)],
            "sex": ["f" if n % 2 else "m" for n in range(ROWS)],
            "diagnosis": [f"I{n % 50}" for n in range(ROWS)],
            "cost": [float(n) for n in range(ROWS)],
            "untagged": ["secret"] * ROWS,
        }
    )


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        for name, role in [("sue", "steward"), ("ann", "scientist"), ("olaf", "officer"), ("bob", "engineer")]:
            world.person(name, role)
        world.seal(patients(), tags=TAGS)
        world.apply(POLICY)
        yield world
        world.verify()


def kinds(world):
    return [(entry.header.kind, entry.header.outcome) for entry in reversed(world.vault.audit.entries(limit=None))]


async def test_a_scientist_gets_the_masked_view(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        message, table = await kernel.fetch(Load(dataset="patients", purpose="study"))
    assert isinstance(message, Delivery)
    assert message.rung is Rung.MASKED
    assert table.num_rows == ROWS
    assert table.column_names == list(TAGS)
    assert set(table["age"].to_pylist()) == set(range(0, 90, 10))
    assert table["diagnosis"].null_count == ROWS
    assert table["cost"].to_pylist() == [float(n) for n in range(ROWS)]
    assert not set(table["name"].to_pylist()) & set(patients()["name"].to_pylist())
    assert [reason.column for reason in message.left_out] == ["untagged"]


async def test_the_decision_is_in_the_log_before_and_the_outcome_after(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        message, _ = await kernel.fetch(Load(dataset="patients", purpose="study"))
    assert kinds(world)[-4:] == [
        (Kind.KERNEL_STARTED, "done"),
        (Kind.LOAD_DECIDED, "permitted"),
        (Kind.LOAD_DELIVERED, "done"),
        (Kind.BROKER_STOPPED, "done"),
    ]
    delivered, decided = world.vault.audit.entries(kinds=(Kind.LOAD_DECIDED, Kind.LOAD_DELIVERED))
    assert decided.seq == message.seq == delivered.header.reference
    assert (delivered.header.rows, delivered.header.request) == (ROWS, decided.header.request)
    assert (decided.personal.user, decided.personal.notebook, decided.personal.purpose) == (
        "ann",
        "study.ipynb",
        "study",
    )


async def test_a_forbidden_and_an_unknown_dataset_are_refused_alike_and_recorded(world):
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        said = []
        for name in ("patients", "nothing-there"):
            with pytest.raises(RefusedError) as caught:
                await kernel.ask(Load(dataset=name))
            said.append(caught.value.public.replace(name, "X"))
    assert said[0] == said[1]
    assert kinds(world)[-3:-1] == [(Kind.LOAD_DECIDED, "refused")] * 2


async def test_a_near_miss_says_what_to_do(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann", level=GuardLevel.G1)
        with pytest.raises(RefusedError, match="needs guard G2"):
            await kernel.ask(Load(dataset="patients", purpose="study", rung=Rung.MASKED, columns=("name",)))


async def test_a_steward_gets_raw_and_an_officer_nothing(world):
    async with world.desk() as front:
        _, table = await (await front.kernel("sue")).fetch(Load(dataset="patients", columns=("name", "age")))
        assert table.to_pydict() == patients().select(["name", "age"]).to_pydict()
        officer = await front.kernel("olaf")
        with pytest.raises(RefusedError):
            await officer.ask(Load(dataset="patients"))
        assert (await officer.ask(Catalog())).offers == ()


async def load_until_refused(kernel):
    for _ in range(300):
        await kernel.fetch(Load(dataset="patients", columns=("age",)))


async def test_no_log_no_data(world):
    async with world.desk() as front:
        kernel = await front.kernel("sue")
        with full_disk(front.desk.vault), pytest.raises(AuditUnavailableError):
            await load_until_refused(kernel)
        await kernel.fetch(Load(dataset="patients", columns=("age",)))


async def test_a_locked_vault_opens_nothing_and_records_the_failure(world):
    async with world.desk() as front:
        kernel = await front.kernel("sue")
        front.desk.vault.keychain.lock()
        with pytest.raises(LockedError):
            await kernel.ask(Load(dataset="patients"))
    assert kinds(world)[-3:-1] == [(Kind.LOAD_DECIDED, "permitted"), (Kind.LOAD_FAILED, "failed")]


async def test_a_damaged_file_hands_out_nothing(world):
    part = next((world.path / "datasets" / "patients" / "1").glob("*.parquet"))
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 1
    part.write_bytes(content)
    async with world.desk() as front:
        kernel = await front.kernel("sue")
        with pytest.raises(IntegrityError):
            await kernel.fetch(Load(dataset="patients"))
    assert kinds(world)[-2] == (Kind.LOAD_FAILED, "failed")


async def test_a_kernel_that_showed_no_key_gets_nothing(world):
    async with world.desk() as front:
        kernel = await front.kernel("sue")
        kernel.grant = (await front.kernel("sue")).grant
        front.desk.grants.close(kernel.grant)
        with pytest.raises(Exception, match="grant has ended"):
            await kernel.ask(Load(dataset="patients"))


async def test_dp_is_a_handle_and_answers_are_noisy_charged_and_repeatable(world):
    question = json.dumps(
        {
            "v": 1,
            "dataset": "patients",
            "where": {"op": "gt", "col": "age", "value": 40},
            "group_by": [{"col": "sex"}],
            "aggs": [{"op": "count", "as": "n"}],
        }
    )
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        handle = await kernel.ask(Load(dataset="patients", rung=Rung.DP))
        assert isinstance(handle, Handle)
        assert {column.name for column in handle.columns} == {"age", "cost", "sex"}
        first, table = await kernel.fetch(Query(question=question, epsilon="0.5"))
        again, repeated = await kernel.fetch(Query(question=question, epsilon="0.5"))
        gauges = (await kernel.ask(Budget(dataset="patients"))).gauges
    assert (first.repeated, again.repeated, again.cost) == (False, True, "0")
    assert table.equals(repeated)
    truth = sum(1 for n in range(ROWS) if n % 90 > 40 and n % 2)
    assert abs(table.to_pydict()["n"][table.to_pydict()["sex"].index("f")] - truth) < 200
    person = next(gauge for gauge in gauges if gauge.scope == "person")
    assert 0.49 <= float(person.spent) <= 0.51
    assert kinds(world).count((Kind.QUERY_ANSWERED, "done")) == 2


async def test_a_question_about_a_column_that_is_not_offered_costs_nothing(world):
    question = '{"v":1,"dataset":"patients","aggs":[{"op":"count","col":"name"}]}'
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        with pytest.raises((RefusedError, InvalidRequestError)):
            await kernel.fetch(Query(question=question))
        assert {gauge.spent for gauge in (await kernel.ask(Budget())).gauges} <= {None, "0"}


async def test_status_and_reasons_come_from_the_brokers_records(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        status = await kernel.ask(Status())
        reasons = await kernel.ask(Why(dataset="patients", column="untagged", purpose="study"))
    assert (status.principal.name, status.grant.guard.level, status.vault) == ("ann", GuardLevel.G3, "unlocked")
    assert "no tag" in reasons.reasons[0].sentence


async def test_the_panel_shows_ones_own_entries_and_an_officer_all(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        await kernel.fetch(Load(dataset="patients", purpose="study"))
        bob, olaf = await front.login("bob"), await front.login("olaf")
        seen = {
            ticket: await front.ask(PanelLog(ticket=ticket, notebook="study.ipynb"))
            for ticket in (kernel.ticket, bob, olaf)
        }
        graphs = {ticket: await front.ask(PanelLineage(ticket=ticket, notebook="study.ipynb")) for ticket in seen}
    assert len(seen[kernel.ticket].entries) == len(seen[olaf].entries) >= 3
    assert seen[bob].entries == ()
    assert graphs[bob].graph.nodes == ()
    assert [node.kind for node in graphs[olaf].graph.nodes] == ["dataset", "view", "notebook"]
    assert "study.ipynb" in front.changes
