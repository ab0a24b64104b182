"""`jupyter secure seal --append` and `--version`, and what a broker that runs hands out afterwards."""

import io
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_secure.cli import main as command
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.messages import Load, Query
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World

PEOPLE = 3000
TAGS = {"person": Tag.DIRECT, "code": Tag.PUBLIC, "cost": Tag.MEASURE}
POLICY = """
[dataset.visits]
privacy_unit = "person"
contributions = 1
bounds = { cost = [0, 100] }
[dataset.visits.budget]
epsilon = "50"
[[rule]]
id = "see"
to = ["role:engineer"]
datasets = ["visits"]
view = "masked"
mask = { direct = "pseudonym", public = "keep", measure = "keep" }
[[rule]]
id = "ask"
to = ["role:scientist"]
datasets = ["visits"]
view = "dp"
"""
COUNT = '{"v":1,"dataset":"visits","aggs":[{"op":"count","as":"n"}]}'


def visits(first, last):
    people = range(first, last)
    return pa.table(
        {"person": list(people), "code": [f"{it:05}" for it in people], "cost": [float(it % 100) for it in people]}
    )


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "SUBCOMMANDS", ("seal", "verify"))
    with World(tmp_path) as made:
        made.person("eve", "engineer")
        made.person("sam", "scientist")
        made.seal(visits(0, PEOPLE), "visits", TAGS)
        made.apply(POLICY)
        yield made
        made.verify()


@pytest.fixture
def run(world, monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSPHRASE}\n"))
        rest = ("--vault", str(world.path), "--password-stdin", "--json")
        status = command.main([*map(str, words), *rest])
        return status, json.loads(capsys.readouterr().out)

    return run


async def test_views_and_private_answers_are_of_all_parts_of_the_newest_version(world, run, tmp_path):
    (tmp_path / "more").mkdir()
    for number in (1, 2):
        more = visits(number * PEOPLE, (number + 1) * PEOPLE)
        pq.write_table(more, tmp_path / "more" / f"{number}.parquet")
    async with world.desk() as front:
        engineer, scientist = await front.kernel("eve"), await front.kernel("sam")
        before = (await engineer.fetch(Load(dataset="visits")))[1]
        counted = (await scientist.fetch(Query(question=COUNT, epsilon="5")))[1]
        status, told = run("seal", tmp_path / "more", "--name", "visits", "--append", "--version", 2)
        assert (status, told["version"], told["rows"], told["tags"]) == (0, 2, 3 * PEOPLE, dict(TAGS))
        after = (await engineer.fetch(Load(dataset="visits")))[1]
        again = (await scientist.fetch(Query(question=COUNT, epsilon="5")))[1]
    assert after.slice(0, PEOPLE).equals(before)
    assert after["code"].to_pylist() == [f"{it:05}" for it in range(3 * PEOPLE)]
    assert len(set(after["person"].to_pylist())) == 3 * PEOPLE
    assert abs(counted["n"][0].as_py() - PEOPLE) < 50
    assert abs(again["n"][0].as_py() - 3 * PEOPLE) < 50
    status, reports = run("verify")
    assert (status, [it["sound"] for it in reports]) == (0, [True, True])


def test_a_csv_is_read_with_the_types_that_the_dataset_has(run, tmp_path):
    file = tmp_path / "more.csv"
    file.write_text("code,person,cost\n123,7,5\n")
    status, told = run("seal", file, "--name", "visits", "--append", "--tag", "cost=quasi")
    assert (status, told["tags"]["cost"], told["tags"]["person"]) == (0, "quasi", "direct")
    file.write_text("code,person,cost\n123,seven,5\n")
    status, told = run("seal", file, "--name", "visits", "--append")
    assert (status, "`person` has a value that is no `int64`" in told["error"]["public"]) == (1, True)
    assert "seven" not in told["error"]["public"]


def test_another_number_or_an_unknown_name_seals_nothing(world, run, tmp_path):
    file = tmp_path / "more.csv"
    file.write_text("code,person,cost\n123,7,5\n")
    for words in (("--version", 3), ("--append", "--version", 1)):
        status, told = run("seal", file, "--name", "visits", *words)
        assert (status, told["error"]["code"]) == (1, "conflict")
    assert run("seal", file, "--name", "nothing", "--append")[1]["error"]["code"] == "refused"
    assert world.vault.catalog.versions("visits") == (1,)
