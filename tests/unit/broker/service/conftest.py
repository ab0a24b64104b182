"""A vault behind a service over TLS, with a Hub's API beside it."""

import pyarrow as pa
import pytest

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.testing.deployment import Deployment
from jupyter_secure.testing.world import World

POLICY = """
[dataset.patients]

[[rule]]
id = "scientists-see-raw"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"

[[rule]]
id = "confined-engineers"
to = ["role:engineer"]
datasets = ["patients"]
view = "raw"
when = { guard = "G3" }
"""
ROWS = 1000


@pytest.fixture
async def deployment(tmp_path):
    with World(tmp_path) as world:
        world.seal(pa.table({"age": list(range(ROWS))}), tags={"age": Tag.QUASI})
        world.apply(POLICY)
        async with Deployment(world, tmp_path) as deployment:
            yield deployment
        world.verify()
