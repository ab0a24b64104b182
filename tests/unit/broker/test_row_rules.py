"""Which rows cross: values of whoever asks, lists of persons, samples and limits, through the door and the workers."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest

from jupyter_secure.broker.consent import list_versions
from jupyter_secure.broker.policies import Policies
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import PolicyError, RefusedError
from jupyter_secure.protocol.messages import Catalog, Load, Query
from jupyter_secure.protocol.record import Kind
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.world import World

POLICY = """
[dataset.visits]
tags = { person = "direct", region = "public", cost = "measure" }
privacy_unit = "person"
contributions = 2
bounds = { cost = [0, 100] }

[dataset.visits.budget]
epsilon = "50"

%s

[attribute.region]
roles = { north-clinic = "north", south-clinic = "south" }

[[rule]]
id = "own-region"
to = ["role:engineer"]
datasets = ["visits"]
view = "masked"
mask = { direct = "pseudonym", public = "keep", measure = "keep" }
rows = [{ column = "region", op = "eq", attribute = "region" }]

[[rule]]
id = "some"
to = ["role:scientist"]
datasets = ["visits"]
view = "masked"
mask = { direct = "pseudonym", public = "keep", measure = "keep" }
%s

[[rule]]
id = "ask"
to = ["role:scientist"]
datasets = ["visits"]
view = "dp"

[[rule]]
id = "all"
to = ["role:steward"]
datasets = ["visits"]
view = "raw"
"""
PEOPLE = 4000
REGIONS = ("north", "south", "west")
OPT_OUT = '[dataset.visits.consent]\nlist = "objections"\nkind = "opt-out"\n'
OPT_IN = '[dataset.visits.consent]\nlist = "objections"\nkind = "opt-in"\nlist_column = "person"\n'
TAGS = {"person": Tag.DIRECT, "region": Tag.PUBLIC, "cost": Tag.MEASURE}


def visits():
    """Two visits of each person, and one of nobody."""
    people = [number for number in range(PEOPLE) for _ in (0, 1)]
    return pa.table(
        {
            "person": pa.array([*people, None], pa.int64()),
            "region": [*(REGIONS[number % 3] for number in people), "north"],
            "cost": [*(float(number % 50) for number in people), 1.0],
        }
    )


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        for name, *roles in [
            ("sue", "steward"),
            ("ann", "scientist"),
            ("ned", "engineer", "north-clinic"),
            ("zed", "engineer", "north-clinic", "south-clinic"),
            ("eli", "engineer"),
        ]:
            world.person(name, *roles)
        world.seal(visits(), "visits", TAGS)
        yield world
        world.verify()


def object_to(world, people, kind=None):
    world.seal(pa.table({"person": pa.array(people, kind)}), "objections", {"person": Tag.DIRECT})


async def load(front, name, **wish):
    kernel = await front.kernel(name)
    return await kernel.fetch(Load(dataset="visits", **wish))


async def test_a_person_gets_the_rows_of_what_the_own_roles_say(world):
    world.apply(POLICY % ("", ""))
    async with world.desk() as front:
        message, north = await load(front, "ned")
        _, both = await load(front, "zed")
        with pytest.raises(RefusedError, match="needs a role that says your region"):
            await load(front, "eli")
        catalog = await (await front.kernel("ned")).ask(Catalog())
    assert set(north["region"].to_pylist()) == {"north"}
    assert set(both["region"].to_pylist()) == {"north", "south"}
    assert message.rows == 0  # how many there are in all is not told
    assert catalog.offers[0].rows is None


async def test_who_objected_is_left_out_of_rows_and_answers_from_the_next_request_on(world):
    world.apply(POLICY % (OPT_OUT, ""))
    question = json.dumps({"v": 1, "dataset": "visits", "aggs": [{"op": "count", "as": "n"}]})
    async with world.desk() as front:
        for wish in ({}, {"rung": Rung.DP}):
            with pytest.raises(RefusedError):  # the list is not sealed yet
                await load(front, "ann", **wish)
        object_to(world, [0, 1, 2])
        message, table = await load(front, "sue")
        asking = await front.kernel("ann")
        _, counted = await asking.fetch(Query(question=question, epsilon="5"))
        object_to(world, [*range(1000), None])
        _, fewer = await load(front, "sue")
        answer, again = await asking.fetch(Query(question=question, epsilon="5"))
    assert (message.rows, message.rung) == (0, Rung.RAW)
    assert set(table["person"].to_pylist()) == set(range(3, PEOPLE))
    assert set(fewer["person"].to_pylist()) == set(range(1000, PEOPLE))
    assert abs(counted["n"][0].as_py() - 2 * (PEOPLE - 3)) < 50
    assert abs(again["n"][0].as_py() - 2 * (PEOPLE - 1000)) < 50
    assert not answer.repeated
    decided = world.vault.audit.entries(kinds=(Kind.LOAD_DECIDED,))
    assert len({entry.header.decision for entry in decided if entry.header.outcome == "permitted"}) == 2


async def test_only_who_agreed_is_kept_and_a_row_of_nobody_never(world):
    world.apply(POLICY % (OPT_IN, ""))
    object_to(world, [7, 8, None])
    async with world.desk() as front:
        _, table = await load(front, "sue")
    assert table["person"].to_pylist() == [7, 7, 8, 8]


async def test_a_list_that_names_people_by_another_type_is_an_error_and_no_data(world):
    world.apply(POLICY % (OPT_OUT, ""))
    object_to(world, ["ann", "bob"], pa.string())
    async with world.desk() as front:
        with pytest.raises(PolicyError):
            await load(front, "sue")


MOMENTS = [f"2020-01-{day:02}T03:00:00" for day in range(1, 7)]
KINDS = pa.table(
    {
        "id": range(6),
        "small": pa.array([1, 2, 3, None, 5, 6], pa.int8()),
        "money": pa.array([Decimal("1.50"), Decimal(2), None, Decimal(4), Decimal(5), Decimal(6)], pa.decimal128(9, 2)),
        "here": pa.array(MOMENTS).cast(pa.timestamp("us")).cast(pa.timestamp("us", "America/New_York")),
        "away": pa.array(MOMENTS).cast(pa.timestamp("ns")).cast(pa.timestamp("ns", "+02:00")),
        "wall": pa.array(MOMENTS).cast(pa.timestamp("ms")).cast(pa.timestamp("ms")),
    }
)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    with World(tmp_path_factory.mktemp("kinds")) as world:
        world.person("sue", "steward")
        world.seal(KINDS, "kinds", dict.fromkeys(KINDS.column_names, Tag.PUBLIC))
        yield world
        world.verify()


async def rows_of(kinds, rule):
    declared = '[dataset.kinds]\n[[rule]]\nid = "all"\nto = ["everyone"]\ndatasets = ["kinds"]\nview = "raw"\n'
    kinds.apply(f"{declared}rows = [{{ {rule} }}]\n")
    async with kinds.desk() as front:
        _, table = await (await front.kernel("sue")).fetch(Load(dataset="kinds", columns=("id",)))
    return table["id"].to_pylist()


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ('column = "here", op = "ge", value = 2020-01-03', [3, 4, 5]),  # its third of January began at five in UTC
        ('column = "here", op = "lt", value = 2020-01-03T03:00:00Z', [0, 1]),
        ('column = "here", op = "eq", value = 2020-01-02T22:00:00', [2]),
        ('column = "here", op = "in", values = ["2020-01-03T03:00:00Z", "2020-01-03T22:00:00"]', [2, 3]),
        ('column = "away", op = "le", value = 2020-01-02T05:00:00', [0, 1]),
        ('column = "wall", op = "lt", value = 2020-01-02T03:00:00', [0]),
        ('column = "money", op = "in", values = [2, 4.0, 1.5, 1e300, 2.005]', [0, 1, 3]),
        ('column = "small", op = "in", values = [2, 3.0, 300, 2.5]', [1, 2]),
    ],
)
async def test_a_filter_compares_with_values_of_every_kind(kinds, rule, kept):
    assert await rows_of(kinds, rule) == kept


async def test_a_moment_with_a_zone_does_not_compare_with_a_column_without(kinds):
    with pytest.raises(PolicyError):
        await rows_of(kinds, 'column = "wall", op = "lt", value = 2020-01-02T03:00:00Z')


async def test_a_sample_is_of_whole_persons_and_the_same_each_time(world):
    world.apply(POLICY % ("", "sample = 0.25"))
    async with world.desk() as front:
        message, table = await load(front, "ann")
        _, again = await load(front, "ann", columns=("person", "cost"))
    people = table["person"].value_counts().to_pylist()
    assert {count["counts"] for count in people} == {2}
    assert 0.21 < len(people) / PEOPLE < 0.29
    assert table["person"].equals(again["person"])
    assert message.rows == 0


async def test_a_sample_has_text_that_is_cut(world):
    world.apply(
        (POLICY % ("", "sample = 0.25")).replace(
            'public = "keep", measure = "keep" }\nsample', 'public = "generalize" }\nsample'
        )
    )
    async with world.desk() as front:
        _, table = await load(front, "ann")
    assert set(table["region"].to_pylist()) == {"nor*", "sou*", "wes*"}


async def test_a_limit_gives_the_first_rows_of_the_sample(world):
    world.apply(POLICY % ("", "sample = 0.25\nlimit = 100"))
    async with world.desk() as front:
        _, table = await load(front, "ann")
        _, raw = await load(front, "sue")
    assert (table.num_rows, raw.num_rows) == (100, 2 * PEOPLE + 1)


@pytest.mark.parametrize("limit", [1, 8001, 9000])
async def test_a_limit_is_a_ceiling(world, limit):
    world.apply(POLICY % ("", f"limit = {limit}"))
    async with world.desk() as front:
        _, table = await load(front, "ann")
    assert table.num_rows == min(limit, 2 * PEOPLE + 1)


def test_the_newest_versions_of_the_lists_are_found_and_a_damaged_one_is_missing(world):
    world.apply(POLICY % (OPT_OUT, ""))
    policy = Policies(world.vault).current()[1]
    assert list_versions(policy, world.vault.catalog) == {}
    object_to(world, [1])
    object_to(world, [1, 2])
    assert list_versions(policy, world.vault.catalog) == {"objections": 2}
    manifest = world.vault.catalog.folder("objections", 2) / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-9])
    assert list_versions(policy, world.vault.catalog) == {}
