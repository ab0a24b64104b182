"""Somebody who may have a masked view tries to single people out in it. Effect sizes stand in the tests.

Every fourth of 400 persons is alone in his combination of postcode, birth year and height; the others share theirs with
nine and more.
"""

import datetime as dt
from collections import Counter

import pyarrow as pa
import pytest

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.messages import Load
from jupyter_secure.testing.world import World

K = 8
POLICY = """
[dataset.people]
tags = { person = "direct", zip = "quasi", born = "quasi", height = "quasi", finding = "public" }
privacy_unit = "person"

%s

[[rule]]
id = "masked"
to = ["role:engineer"]
datasets = ["people"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize", public = "keep" }
"""
CHECK = f"[dataset.people.disclosure]\nk = {K}\nsuppress = 0.3\n"
TAGS = {"person": Tag.DIRECT, "finding": Tag.PUBLIC} | dict.fromkeys(("zip", "born", "height"), Tag.QUASI)


def people():
    alone = [number % 4 == 0 for number in range(400)]
    return pa.table(
        {
            "person": list(range(400)),
            "zip": [f"{number:05}" if one else "10115" for number, one in enumerate(alone)],
            "born": [dt.date(1900 + number % 100 if one else 1980, 3, 2) for number, one in enumerate(alone)],
            "height": [number // 4 * 10 if one else 170 for number, one in enumerate(alone)],
            "finding": [f"f{number}" for number in range(400)],
        }
    )


@pytest.fixture(params=[CHECK, ""], ids=["checked", "control"])
def world(tmp_path, request):
    with World(tmp_path) as world:
        world.person("eve", "engineer")
        world.seal(people(), "people", TAGS)
        world.apply(POLICY % request.param)
        world.checked = bool(request.param)
        yield world
        world.verify()


async def test_nobody_is_singled_out_by_views_of_single_columns_laid_side_by_side(world):
    parts = {}
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        for name in ("zip", "born", "height"):
            _, table = await kernel.fetch(Load(dataset="people", columns=("person", name)))
            parts[name] = dict(zip(table["person"].to_pylist(), table[name].to_pylist(), strict=True))
    assert parts["zip"].keys() == parts["born"].keys() == parts["height"].keys()
    classes = Counter((parts["zip"][one], parts["born"][one], parts["height"][one]) for one in parts["zip"])
    alone = sum(count == 1 for count in classes.values())
    assert alone == (0 if world.checked else 100)
    assert min(classes.values()) >= (K if world.checked else 1)


async def test_no_finding_of_somebody_alone_crosses_whatever_is_asked_for(world):
    found = set()
    async with world.desk() as front:
        kernel = await front.kernel("eve")
        for columns in (None, ("finding",), ("finding", "zip"), ("person", "finding")):
            _, table = await kernel.fetch(Load(dataset="people", columns=columns))
            found |= set(table["finding"].to_pylist())
    of_those_alone = {f"f{number}" for number in range(0, 400, 4)}
    assert len(found & of_those_alone) == (0 if world.checked else 100)
