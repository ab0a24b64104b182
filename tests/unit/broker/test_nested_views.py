"""Columns of every kind come through the door, raw and masked, wide tables too."""

import datetime as dt
import decimal

import pyarrow as pa
import pytest

from jupyter_secure.kernel.frames import to_frame
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import Load, Why
from jupyter_secure.testing.world import World

POLICY = """
[dataset.kinds]
[dataset.wide]
[[rule]]
id = "raw"
to = ["role:steward"]
datasets = "*"
view = "raw"
[[rule]]
id = "masked"
to = ["role:engineer"]
datasets = ["kinds"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize", measure = { method = "clip", low = 0, high = 1 }, public = "keep" }
"""
KINDS = {
    "list": [[1, 2], None, []],
    "texts": [["a", None], [], None],
    "struct": pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": "b"}]),
    "deep": [[{"k": [1]}], None, []],
    "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    "decimal": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal(2)], pa.decimal256(30, 2)),
    "zoned": pa.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC), None, None], pa.timestamp("us", "Europe/Berlin")),
    "span": pa.array([dt.timedelta(seconds=3), None, None], pa.duration("s")),
    "time": pa.array([dt.time(1, 2, 3), None, None], pa.time32("s")),
    "half": pa.array([1.5, None, 2.0], pa.float16()),
    "bytes": pa.array([b"abcd", None, b"efgh"], pa.binary(4)),
    "nothing": pa.nulls(3),
}


def plain(value):
    """Return a value as a view has it: a map is a list of pairs."""
    if isinstance(value, list):
        return [tuple(it.values()) if isinstance(it, dict) and set(it) == {"key", "value"} else it for it in value]
    return value


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as made:
        made.person("sue", "steward")
        made.person("eve", "engineer")
        yield made
        made.verify()


async def test_a_raw_view_has_the_values_of_every_kind(world):
    table = pa.table(KINDS)
    wide = pa.table({f"c{number}": [number] for number in range(1000)})
    world.seal(table, "kinds", dict.fromkeys(KINDS, Tag.PUBLIC))
    world.seal(wide, "wide", dict.fromkeys(wide.column_names, Tag.PUBLIC))
    world.apply(POLICY)
    async with world.desk() as front:
        kernel = await front.kernel("sue")
        found = (await kernel.fetch(Load(dataset="kinds")))[1]
        loaded = (await kernel.fetch(Load(dataset="wide")))[1]
        some = (await kernel.fetch(Load(dataset="kinds", columns=("deep",))))[1]
    for name in table.column_names:
        assert [plain(it) for it in found[name].to_pylist()] == table[name].to_pylist(), name
    assert some["deep"].to_pylist() == KINDS["deep"]
    assert loaded.equals(wide)


@pytest.mark.parametrize("tag", [Tag.DIRECT, Tag.QUASI, Tag.MEASURE])
async def test_a_mask_that_has_no_meaning_for_a_kind_gives_nothing_of_it(world, tag):
    table = pa.table(KINDS)
    world.seal(table, "kinds", dict.fromkeys(KINDS, tag))
    world.apply(POLICY)
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        found = (await kernel.fetch(Load(dataset="kinds")))[1]
    assert found.num_rows == 3
    for name in ("list", "texts", "struct", "deep", "map"):
        assert found[name].null_count == 3, name


async def test_extremes_and_empty_tables_come_through_and_become_frames(world):
    table = pa.table(
        {
            "real": [float("nan"), float("inf"), None, -0.0],
            "day": pa.array([-(2**31), 2**31 - 1, 0, None], pa.date32()),
            "moment": pa.array([-(2**63), 2**63 - 1, 0, None], pa.timestamp("us")),
            "zoned": pa.array([-(2**62), 2**62, 0, None], pa.timestamp("ns", "UTC")),
            "text": ["", "\0", "\U0010ffff", None],
            "whole": pa.array([2**64 - 1, 0, 1, None], pa.uint64()),
        }
    )
    tags = dict.fromkeys(table.column_names, Tag.PUBLIC)
    world.seal(table, "kinds", tags)
    world.seal(table.slice(0, 0), "wide", tags)
    world.apply(POLICY)
    async with world.desk() as front:
        kernel = await front.kernel("sue")
        found = (await kernel.fetch(Load(dataset="kinds")))[1]
        nothing = (await kernel.fetch(Load(dataset="wide")))[1]
    for name in table.column_names:
        if name != "real":
            assert found[name].cast(table.schema.field(name).type).equals(table[name]), name
    assert str(found["real"].to_pylist()) == str(table["real"].to_pylist())
    assert (nothing.num_rows, nothing.column_names) == (0, table.column_names)
    assert len(to_frame(nothing, "polars")) == len(to_frame(nothing, "pandas")) == 0
    assert len(to_frame(found, "polars")) == 4
    with pytest.raises(InvalidRequestError, match="years 1 to 9999"):
        to_frame(found.select(["day"]), "pandas")
    assert len(to_frame(found.drop(["day"]), "pandas")) == 4


async def test_whoever_asks_why_is_told_that_a_mask_leaves_nothing_of_a_nested_column(world):
    world.seal(pa.table({"visits": [[1]], "name": ["Ann"]}), "kinds", {"visits": Tag.DIRECT, "name": Tag.DIRECT})
    world.apply(POLICY)
    async with world.desk() as front:
        told = await (await front.kernel("eve")).ask(Why(dataset="kinds"))
    said = {reason.column: reason.sentence for reason in told.reasons}
    assert "empty, because a list, map or struct" in said["visits"]
    assert "empty" not in said["name"]
