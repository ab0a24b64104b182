"""Budgets of projects and notebooks, renewals, and what spent them, through the door."""

import io
import json
import sys

import numpy as np
import pyarrow as pa
import pytest

from jupyter_secure.broker.keeping import renew_budget
from jupyter_secure.cli import main as command
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError, PolicyError, RefusedError
from jupyter_secure.protocol.messages import Budget, Query
from jupyter_secure.protocol.record import Kind, Personal
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World
from tests.unit.kernel.desk_client import DeskClient

POLICY = """
[dataset.visits]
tags = { person = "direct", cost = "measure" }
privacy_unit = "person"
bounds = { cost = [0, 100] }

[dataset.visits.budget]
epsilon = "4"
person = "2"
%s

[purpose.study]
[purpose.other]

[[rule]]
id = "ask"
to = ["role:scientist"]
datasets = ["visits"]
view = "dp"
"""
QUESTION = {"v": 1, "dataset": "visits", "aggs": [{"op": "count", "as": "n"}]}
WHO = Personal(note="somebody")


def fill(world):
    for name, *roles in (
        ("ann", "scientist"),
        ("bob", "scientist"),
        ("eng", "engineer"),
        ("dpo", "scientist", "officer"),
    ):
        world.person(name, *roles)
    people = np.arange(500)
    table = pa.table({"person": people, "cost": people % 100 * 1.0})
    world.seal(table, "visits", {"person": Tag.DIRECT, "cost": Tag.MEASURE})


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        fill(world)
        yield world
        world.verify()


def about(limit):
    """Return a question of its own for each number."""
    return json.dumps(QUESTION | {"where": {"op": "lt", "col": "cost", "value": limit}})


async def ask(kernel, limit, epsilon="1", **wish):
    answer, _ = await kernel.fetch(Query(question=about(limit), epsilon=epsilon, **wish))
    return answer


async def test_a_project_pays_for_its_people_together(world):
    world.apply(POLICY % 'project = "1.2"')
    async with world.desk() as front:
        ann, bob = await front.kernel("ann"), await front.kernel("bob")
        await ask(ann, 10, purpose="study")
        with pytest.raises(BudgetError, match="of this project"):
            await ask(bob, 20, purpose="study")
        told = await ask(bob, 20, purpose="other")
        again = await ask(ann, 10, purpose="other")
    assert {gauge.scope: gauge.spent for gauge in told.gauges} == {"dataset": None, "person": "1", "project": None}
    assert (again.cost, again.repeated) == ("0", True)  # the answer is known: nobody pays for it twice


async def test_what_a_person_gave_a_notebook_is_a_further_cap(world):
    world.apply(POLICY % "")
    async with world.desk() as front:
        here, there = await front.kernel("ann", notebook="a.ipynb"), await front.kernel("ann", notebook="b.ipynb")
        reply = await here.ask(Budget(dataset="visits", allow="0.5"))
        await ask(here, 10, "0.4")
        with pytest.raises(BudgetError, match="that you gave this notebook"):
            await ask(here, 20, "0.4")
        await ask(there, 20, "0.4")  # another notebook, and an ordinary one
        more = await here.ask(Budget(dataset="visits", allow="1"))
        await ask(here, 30, "0.4")
    own = next(gauge for gauge in reply.gauges if gauge.scope == "notebook")
    assert (own.spent, own.cap) == ("0", "0.5")
    assert next(gauge for gauge in more.gauges if gauge.scope == "notebook").spent == "0.4"


async def test_an_allowance_above_the_own_budget_gives_nothing_more(world):
    world.apply(POLICY % "")
    async with world.desk() as front:
        kernel = await front.kernel("ann", notebook="a.ipynb")
        await kernel.ask(Budget(dataset="visits", allow="40"))
        with pytest.raises(BudgetError, match="your own"):
            await ask(kernel, 10, "3")


@pytest.mark.parametrize("allow", ["0", "51", "0.0000000001"])
async def test_an_allowance_that_is_none_is_refused(world, allow):
    world.apply(POLICY % "")
    async with world.desk() as front:
        kernel = await front.kernel("ann", notebook="a.ipynb")
        with pytest.raises(InvalidRequestError):
            await kernel.ask(Budget(dataset="visits", allow=allow))
        with pytest.raises(InvalidRequestError, match="Name the dataset"):
            await kernel.ask(Budget(allow="1"))
        with pytest.raises(RefusedError):
            await (await front.kernel("eng", notebook="a.ipynb")).ask(Budget(dataset="visits", allow="1"))


async def test_what_spent_a_budget_is_told_to_whoever_spent_it_and_to_officers(world):
    world.apply(POLICY % "")
    async with world.desk() as front:
        ann, bob = await front.kernel("ann", notebook="a.ipynb"), await front.kernel("bob", notebook="b.ipynb")
        await ask(ann, 10, "0.5")
        await ask(ann, 10, "0.5")  # repeated: free
        await ask(ann, 20, "0.25", preview=True)
        await ask(bob, 20, "0.25")
        await bob.fetch(Query(question='{"v":1,"dataset":"visits","aggs":[{"op":"count"}]}', epsilon="0.125"))
        [own] = (await ann.ask(Budget())).history
        told = (await (await front.kernel("dpo")).ask(Budget())).history
    assert (own.dataset, own.columns, own.cost, own.user, own.notebook) == (
        "visits",
        ("cost",),
        "0.5",
        "ann",
        "a.ipynb",
    )
    assert [(spent.user, spent.cost) for spent in told] == [("bob", "0.125"), ("bob", "0.25"), ("ann", "0.5")]
    assert told[0].columns == ()  # it counted rows and looked at no column


async def test_a_renewal_by_the_owner_is_in_the_log_and_forgets_nothing(world):
    world.apply(POLICY % "")
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        await ask(kernel, 10, "2")
        with pytest.raises(BudgetError):
            await ask(kernel, 20, "1")
        done = renew_budget(world.vault, "visits", "the board agreed on 12 May", WHO)
        answer = await ask(kernel, 20, "1")
    assert done.renewals == 1
    own = next(gauge for gauge in answer.gauges if gauge.scope == "person")
    assert own.renewed == 1
    assert float(own.spent) > 2  # of its lifetime
    entries = world.vault.audit.entries(kinds=(Kind.BUDGET_RENEWED,))
    assert [(entry.header.outcome, entry.header.extra) for entry in entries] == [
        ("done", {"renewals": "1"}),
        ("permitted", {}),
    ]
    assert "the board agreed" in entries[0].personal.note


def test_a_renewal_needs_a_dataset_and_a_reason(world):
    with pytest.raises(RefusedError):
        renew_budget(world.vault, "nothing", "because", WHO)
    with pytest.raises(InvalidRequestError, match="Say why"):
        renew_budget(world.vault, "visits", "  ", WHO)
    assert not world.vault.audit.entries(kinds=(Kind.BUDGET_RENEWED,))


def test_an_owner_renews_and_lists_on_the_command_line(world, monkeypatch, capsys):
    world.apply(POLICY % "")
    monkeypatch.setattr(command, "SUBCOMMANDS", ("budget",))

    def run(*words):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSPHRASE}\n"))
        status = command.main(["budget", *words, "--vault", str(world.path), "--password-stdin", "--json"])
        return status, json.loads(capsys.readouterr().out)

    row = {"dataset": "visits", "spent": "0", "cap": "0", "delta": "1e-6", "renewals": 0}
    assert run("list") == (0, [row])  # nobody has asked yet
    assert run("renew", "visits", "--reason", "agreed")[0] != 0  # without a terminal it has to be meant
    assert run("renew", "visits", "--reason", "agreed", "--yes")[1]["renewals"] == 1
    assert run("list")[1][0]["renewals"] == 1
    assert run("renew", "nothing", "--reason", "agreed", "--yes")[0] != 0


@pytest.mark.parametrize("project", ['"0"', '"5"', '"-1"', "1"])
def test_a_project_s_budget_that_makes_no_sense_is_refused(world, project):
    with pytest.raises(PolicyError, match="project"):
        world.apply(POLICY % f"project = {project}")


def test_a_question_is_priced_by_the_margin_that_is_wanted(tmp_path):
    world = World(tmp_path)
    fill(world)
    world.apply(POLICY % "")
    client = DeskClient(world, "ann")  # it verifies and closes the world
    try:
        frame = client.handle("visits")
        plan = frame.within(20).preview().count()
        answer = frame.within(20).count()
        with pytest.raises(InvalidRequestError, match="No epsilon up to"):
            frame.within(1e-12).cost.mean()
        with pytest.raises(InvalidRequestError, match="above 0"):
            frame.within(-1).count()
        few = frame.within(5).preview().cost.mean()
        many = frame.within(5, rows=100_000).preview().cost.mean()
    finally:
        client.close()
    assert 20 * 0.9 < plan["margin"].max() <= 20
    assert many["asked"].tolist() == ["mean_cost per 100,000 rows"]
    assert float(many["epsilon"][0]) < float(few["epsilon"][0]) / 50
    assert float(answer.attrs["epsilon"]) == pytest.approx(float(plan["epsilon"][0]), rel=0.01)
    assert abs(answer["count"][0] - 500) < 80


def test_a_preview_says_how_small_a_group_drowns(tmp_path):
    world = World(tmp_path)
    fill(world)
    world.apply(POLICY % "")
    client = DeskClient(world, "ann")
    try:
        frame = client.handle("visits").preview()
        grouped = frame.groupby("cost", width=10).count(epsilon="0.1")
        finer = frame.groupby("cost", width=10).count(epsilon="1")
        means = frame.groupby("cost", width=10).cost.mean(epsilon="0.1")
        whole = frame.count(epsilon="0.1")
    finally:
        client.close()
    [least], [finest] = grouped["drowns_below"], finer["drowns_below"]
    assert grouped["margin"][0] <= least < grouped["margin"][0] + 1
    assert finest < least
    assert "drowns_below" not in means
    assert "drowns_below" not in whole
