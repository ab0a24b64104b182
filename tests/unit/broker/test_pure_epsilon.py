"""A dataset sealed with the measure `pure`: epsilons add up as they are, delta is 0, and noise is Laplace noise."""

import io
import json
import sys

import numpy as np
import pyarrow as pa
import pytest

from jupyter_secure.cli import main as command
from jupyter_secure.kernel import ml, synthetic
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError
from jupyter_secure.protocol.messages import Budget, Load, Query
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World
from tests.unit.kernel.desk_client import DeskClient

POLICY = """
[dataset.visits]
tags = { person = "direct", cost = "measure", town = "quasi", code = "quasi" }
privacy_unit = "person"
contributions = 1
bounds = { cost = [0, 100] }
keys = { town = ["a", "b"] }
open_keys = ["code"]

[dataset.visits.budget]
epsilon = "1.5"
person = "1"

[[rule]]
id = "ask"
to = ["role:scientist"]
datasets = ["visits"]
view = "dp"
"""
PEOPLE = 4000
TAGS = {"person": Tag.DIRECT, "cost": Tag.MEASURE, "town": Tag.QUASI, "code": Tag.QUASI}


def fill(world, measure="pure"):
    for name in ("ann", "bob"):
        world.person(name, "scientist")
    people = np.arange(PEOPLE)
    table = pa.table(
        {
            "person": people,
            "cost": people % 100 * 1.0,
            "town": np.array(["a", "b"])[people % 2],
            "code": np.array(["x", "y"])[people % 2],
        }
    )
    world.seal(table, "visits", TAGS, measure=measure)
    world.apply(POLICY)


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        fill(world)
        yield world
        world.verify()


@pytest.fixture
def client(tmp_path):
    world = World(tmp_path)
    fill(world)
    client = DeskClient(world, "ann")  # it verifies and closes the world
    yield client
    client.close()


def about(limit, **more):
    where = {"op": "lt", "col": "cost", "value": limit}
    return json.dumps({"v": 1, "dataset": "visits", "where": where, "aggs": [{"op": "count", "as": "n"}]} | more)


async def ask(kernel, limit, epsilon, **wish):
    answer, table = await kernel.fetch(Query(question=about(limit), epsilon=epsilon, **wish))
    return answer, table


def own(answer):
    return next(gauge for gauge in answer.gauges if gauge.scope == "person")


async def test_epsilons_add_up_to_the_cap_and_no_further(world):
    async with world.desk() as front:
        ann, bob = await front.kernel("ann"), await front.kernel("bob")
        for turn in range(10):
            answer, _ = await ask(ann, 10 + turn, "0.1")
            assert answer.cost == "0.1"
            assert float(own(answer).spent) == pytest.approx((turn + 1) / 10, abs=1e-9)
            assert float(own(answer).remaining) == pytest.approx(1 - (turn + 1) / 10, abs=1e-9)
        assert own(answer).delta == "0"
        with pytest.raises(BudgetError, match="your own"):
            await ask(ann, 50, "0.000000001")
        again, _ = await ask(ann, 10, "0.1")
        assert (again.cost, again.repeated) == ("0", True)
        await ask(bob, 10, "0.5")
        with pytest.raises(BudgetError, match="of all people together"):
            await ask(bob, 20, "0.000001")


async def test_the_margin_is_that_of_laplace_noise(world):
    async with world.desk() as front:
        ann = await front.kernel("ann")
        plan, _ = await ask(ann, 50, "0.5", preview=True)
        answer, table = await ask(ann, 50, "0.5")
    assert plan.errors == answer.errors == {"n": 6.0}  # P(|noise| > 6) = 2 p^7 / (1 + p) = 0.04, p = exp(-1/2)
    assert abs(table["n"][0].as_py() - PEOPLE / 2) < 60  # but for e^-30


async def test_a_notebook_s_allowance_is_in_the_same_measure(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann", notebook="a.ipynb")
        reply = await kernel.ask(Budget(dataset="visits", allow="0.25"))
        await ask(kernel, 10, "0.25")
        with pytest.raises(BudgetError, match="that you gave this notebook"):
            await ask(kernel, 20, "0.000001")
    assert [(gauge.cap, gauge.delta) for gauge in reply.gauges if gauge.scope == "notebook"] == [("0.25", "0")]


async def test_open_keys_are_told_by_no_pure_epsilon(world):
    question = {"v": 1, "dataset": "visits", "group_by": [{"col": "code"}], "aggs": [{"op": "persons", "as": "n"}]}
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        with pytest.raises(InvalidRequestError, match="pure epsilon tells none"):
            await kernel.fetch(Query(question=json.dumps(question), epsilon="1"))
        handle = await kernel.ask(Load(dataset="visits", rung=Rung.DP))
    assert own(handle).spent == "0"


@pytest.mark.filterwarnings("ignore::jupyter_secure.kernel.dp_budget.BudgetWarning")
def test_every_kind_of_question_is_answered(client):
    frame = client.handle("visits")
    grouped = frame.groupby("town").cost.mean(epsilon="0.2")
    assert grouped.iloc[:2, -2].sub([49, 50]).abs().max() < 10
    told = frame.cost.quantile([0.25, 0.75], epsilon="0.2")
    assert told.attrs["epsilon"] == "0.2"
    plan = frame.within(30).preview().count()
    assert plan["margin"].max() <= 30
    assert 0.09 < float(plan["epsilon"][0]) < 0.11  # a margin of 29 holds at 0.1
    model = ml.NaiveBayes("0.2", features=["cost"]).fit(frame, frame.town)
    assert list(model.classes_) == ["a", "b"]
    wish = synthetic.Wish(columns=("cost", "town"), edges={"cost": (25, 50, 75)}, epsilon="0.4")
    assert abs(synthetic.make(frame, wish).table.num_rows - PEOPLE) < 600


@pytest.fixture
def run(world, monkeypatch, capsys):
    monkeypatch.setattr(command, "SUBCOMMANDS", ("budget", "datasets", "seal"))

    def run(*words):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSPHRASE}\n"))
        status = command.main([*map(str, words), "--vault", str(world.path), "--password-stdin", "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run


def test_the_command_line_says_so(run):
    status, [row] = run("budget", "list")
    assert (status, row["spent"], row["delta"]) == (0, "0", "0")
    assert run("datasets")[1][0]["measure"] == "pure"


def test_a_measure_is_chosen_with_the_first_version_only(world, run, tmp_path):
    file = tmp_path / "more.csv"
    file.write_text("person,cost,town,code\n9001,5,a,x\n")
    assert run("seal", file, "--name", "others", "--tag", "person=direct", "--measure", "pure")[1]["measure"] == "pure"
    assert run("seal", file, "--name", "plain", "--tag", "person=direct")[1]["measure"] == "zcdp"
    for words, code in ((("--measure", "zcdp"), "conflict"), (("--append", "--measure", "pure"), "invalid")):
        status, told = run("seal", file, "--name", "visits", *words)
        assert (status, told["error"]["code"]) == (1, code)
        assert "leave --measure away" in told["error"]["public"]
    status, told = run("seal", file, "--name", "visits", "--append")
    assert (status, told["version"], told["measure"]) == (0, 2, "pure")
    assert world.vault.catalog.versions("visits") == (1, 2)
