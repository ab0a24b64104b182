"""A view is checked before it crosses: through the door, the workers and the log."""

import datetime as dt
from collections import defaultdict

import pyarrow as pa
import pytest

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import DisclosureError, PolicyError
from jupyter_secure.protocol.messages import Catalog, Load, Why
from jupyter_secure.protocol.record import Kind
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.world import World

POLICY = """
[dataset.patients]
tags = { person = "direct", zip = "quasi", born = "quasi", finding = "sensitive", cost = "measure" }
privacy_unit = "person"

%s

[[rule]]
id = "masked"
to = ["role:engineer"]
datasets = ["patients"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize", sensitive = "pseudonym", measure = "keep" }
mask_columns = { zip = { method = "generalize", prefix = 3 } }

[[rule]]
id = "some"
to = ["role:scientist"]
datasets = ["patients"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize", sensitive = "pseudonym", measure = "keep" }
rows = [{ column = "cost", op = "ge", value = 0 }]

[[rule]]
id = "costs"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"
columns = ["cost"]

[[rule]]
id = "raw"
to = ["role:steward"]
datasets = ["patients"]
view = "raw"
"""
ASKED = "[dataset.patients.disclosure]\n"
TAGS = {"person": Tag.DIRECT, "zip": Tag.QUASI, "born": Tag.QUASI, "finding": Tag.SENSITIVE, "cost": Tag.MEASURE}
FEW = 3  # persons in the small class


def patients():
    """Classes of 40 persons, one of three, two people alone, and one of whom there are ten rows."""
    rows = [(number, f"101{number % 4}7", 1980 + number % 4, f"f{number % 5}") for number in range(160)]
    rows += [(200 + number, "20115", 1990, f"f{number}") for number in range(FEW)]
    rows += [(300, "30115", 1991, "f1"), (301, None, 1992, "f2")]
    rows += [(400, "40115", 1993, "f3")] * 10
    return pa.table(
        {
            "person": [row[0] for row in rows],
            "zip": [row[1] for row in rows],
            "born": pa.array([dt.date(row[2], 5, 17) for row in rows]),
            "finding": [row[3] for row in rows],
            "cost": [float(place) for place in range(len(rows))],
        }
    )


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        for name, *roles in [("sue", "steward"), ("ann", "scientist"), ("eng", "engineer")]:
            world.person(name, *roles)
        world.seal(patients(), "patients", TAGS)
        yield world
        world.verify()


async def load(front, name="eng", **wish):
    kernel = await front.kernel(name)
    return await kernel.fetch(Load(dataset="patients", **wish))


def classes(*columns):
    """Return the numbers of rows of each combination that stands in columns of equal length."""
    rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
    return {row: rows.count(row) for row in rows}


async def test_rows_of_small_classes_are_left_out_and_told(world):
    world.apply(POLICY % (ASKED + "k = 5\nsuppress = 0.1\n"))
    async with world.desk() as front:
        message, table = await load(front)
        why = await (await front.kernel("eng")).ask(Why(dataset="patients"))
        catalog = await (await front.kernel("eng")).ask(Catalog())
    assert len(table) == 160
    assert set(classes(table["zip"], table["born"]).values()) == {40}
    assert message.check == (
        "Each combination of zip, born stands for at least 40 persons. 15 of 175 rows are left out for that."
    )
    assert why.check == catalog.offers[0].check
    assert "at least 5 persons share each combination of zip, born" in why.check
    [done] = world.vault.audit.entries(kinds=(Kind.LOAD_DELIVERED,))
    assert done.header.extra == {"check": "step 0, smallest class 40", "left_out": "15"}
    assert done.personal.note == message.check


async def test_a_view_without_rows_says_so_and_the_check_is_a_sentence(world):
    world.apply((POLICY % (ASKED + "k = 5\n")).replace("value = 0", "value = 1000000"))
    async with world.desk() as front:
        message, table = await load(front, "ann", rung=Rung.MASKED)
        why = await (await front.kernel("eng")).ask(Why(dataset="patients"))
    assert len(table) == 0
    assert message.check == "It has no rows, so nothing in it tells people apart."
    assert why.check.endswith("Where it does not fit, it is refused.")


async def test_columns_asked_for_one_by_one_are_checked_together(world):
    world.apply(POLICY % (ASKED + "k = 5\nsuppress = 0.1\n"))
    async with world.desk() as front:
        _, zips = await load(front, columns=("zip",))
        _, born = await load(front, columns=("born",))
        _, costs = await load(front, columns=("cost",))
    assert (zips.column_names, born.column_names, costs.column_names) == (["zip"], ["born"], ["cost"])
    assert min(classes(zips["zip"], born["born"]).values()) >= 5
    assert costs["cost"].to_pylist() == [float(place) for place in range(160)]  # the same rows, whoever asks for what


async def test_a_view_is_made_coarser_before_rows_are_left_out(world):
    zips, born = '{ method = "generalize", prefix = 0 }', '{ method = "generalize", unit = "decade" }'
    world.apply(POLICY % (ASKED + f"k = 5\nsuppress = 0.05\nladder = {{ zip = [{zips}], born = [{born}] }}\n"))
    async with world.desk() as front:
        message, table = await load(front)
    # The three of 1990, the two alone and the one with ten rows: five persons in one class, one without a zip alone.
    assert classes(table["zip"], table["born"]) == {("*", dt.date(1980, 1, 1)): 160, ("*", dt.date(1990, 1, 1)): 14}
    assert {it.name: it.treatment for it in message.columns}["born"].unit == "decade"
    assert "1 step coarser" in message.check
    assert "1 of 175 rows are left out" in message.check


async def test_what_does_not_fit_is_refused_and_nothing_crosses(world):
    world.apply(POLICY % (ASKED + "k = 5\nsuppress = 0.01\n"))
    async with world.desk() as front:
        with pytest.raises(DisclosureError, match="would tell single people apart"):
            await load(front)
        _, whole = await load(front, "sue", rung=Rung.RAW)  # a raw rule gives what tells apart: nothing is checked
    assert len(whole) == 175
    [failed] = world.vault.audit.entries(kinds=(Kind.LOAD_FAILED,))
    assert failed.header.error == "disclosure"


async def test_a_class_of_one_finding_gives_it_away(world):
    rows = patients().to_pylist()
    for row in rows:
        if row["born"].year == 1981:
            row["finding"] = "the same"
    world.seal(pa.Table.from_pylist(rows, patients().schema), "patients", TAGS)
    world.apply(POLICY % (ASKED + "l = 3\nsuppress = 0.5\n"))
    async with world.desk() as front:
        message, table = await load(front)
    found = defaultdict(set)
    for zip_code, born, finding in zip(*(table[name].to_pylist() for name in ("zip", "born", "finding")), strict=True):
        found[zip_code, born].add(finding)
    assert len(found) == 4  # three of the large classes, and the one of three persons with three findings
    assert min(map(len, found.values())) == 3
    assert message.check.startswith("Each combination of zip, born stands for at least 3 persons.")


@pytest.mark.parametrize(("share", "crossing"), [(0.08, 175), (0.05, 163)])
async def test_a_share_of_rows_may_be_alone(world, share, crossing):
    world.apply(POLICY % (ASKED + f"unique = {share}\nsuppress = 0.1\n"))
    async with world.desk() as front:
        _, table = await load(front)
    assert len(table) == crossing  # ten rows of one person are as alone as he is


async def test_nothing_is_counted_for_whom_only_some_rows_are_given(world):
    world.apply(POLICY % (ASKED + "k = 5\nsuppress = 0.1\n"))
    async with world.desk() as front:
        message, table = await load(front, "ann")
    assert message.rung is Rung.RAW  # costs as they are, what tells apart under masks: checked
    assert len(table) == 160
    assert message.check == "Each combination of zip, born stands for at least 40 persons."
    [done] = world.vault.audit.entries(kinds=(Kind.LOAD_DELIVERED,))
    assert "left_out" not in done.header.extra


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("suppress = 0.1", "ask for `k`, `l` or `unique`"),
        ("k = 0", "ladder|>= 1"),
        ("k = 5\nsuppress = 1.5", "<= 1"),
        ("k = 5\nunique = -0.1", ">= 0"),
        ("k = 5\nlevel = 3", "unknown field"),
        ('k = 5\nladder = { cost = ["suppress"] }', "for columns that this table tags direct or quasi"),
        ('k = 5\nladder = { zip = ["pseudonym"] }', "a step is one of"),
        ('k = 5\nladder = { zip = ["supress"] }', "perhaps `suppress` is meant"),
        ('k = 5\nladder = { zip = [{ method = "generalize", prefx = 2 }] }', "perhaps `prefix` is meant"),
        ("k = 5\nladder = { zip = [] }", "length >= 1"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_with_its_line(world, table, said):
    with pytest.raises(PolicyError, match=said) as caught:
        world.apply(POLICY % (ASKED + table + "\n"))
    assert str(caught.value).startswith("line ")
