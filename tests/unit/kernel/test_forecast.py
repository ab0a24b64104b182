"""What a cell would cost is told without spending, running or asking for anything."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from jupyter_secure.kernel import api, forecast
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import InvalidRequestError, RefusedError, SecureError
from jupyter_secure.protocol.messages import Catalog, Query
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.world import World
from tests.unit.kernel.desk_client import DeskClient

POLICY = """
[dataset.patients]
privacy_unit = "pid"
bounds = { age = [0, 100] }
keys = { sex = ["F", "M"] }
open_keys = ["town"]
budget = { epsilon = "4", person = "1", delta = "1e-6", default_query = "0.25" }

[dataset.locked]
privacy_unit = "pid"
bounds = { age = [0, 100] }
budget = { epsilon = "4" }

[[rule]]
id = "ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"

[[rule]]
id = "ask-with-a-second-factor"
to = ["role:scientist"]
datasets = ["locked"]
view = "dp"
when = { mfa_max_age = "12h" }
"""
COUNT = "SELECT sex, COUNT(*) AS n, AVG(age) FROM patients GROUP BY sex ORDER BY n"
UNSPENT = "0.999999"  # of an epsilon of 1, rounded down


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    world.person("ann", "scientist")
    table = pa.table({"pid": [f"p{n}" for n in range(400)], "age": [30] * 400, "sex": ["F", "M"] * 200})
    table = table.append_column("town", pa.array(["Ulm"] * 400))
    tags = {"pid": Tag.DIRECT, "age": Tag.MEASURE, "sex": Tag.MEASURE, "town": Tag.MEASURE}
    world.seal(table, tags=tags)
    world.seal(table, name="locked", tags=tags)
    world.apply(POLICY)
    client = DeskClient(world, "ann")
    yield client
    client.close()


@pytest.fixture
def ask(client, monkeypatch):
    monkeypatch.setattr(api.CONNECTION, "client", lambda: client)
    monkeypatch.setattr(forecast, "PATIENCE", 60.0)
    return forecast.forecast


def kinds(client):
    return [entry.header.kind for entry in client.world.vault.audit.entries(limit=None)]


def test_price_margins_and_what_is_left_are_those_of_a_dry_run(client, ask):
    told = ask(f"%%secure_sql answer --epsilon 0.5\n{COUNT}\n")
    price = api.sql(COUNT, epsilon="0.5", dry_run=True)
    assert (told["dataset"], told["cost"]) == ("patients", "0.5")
    assert [(each["name"], each["margin"]) for each in told["asked"]] == list(
        zip(price.asked, price.margin, strict=True)
    )
    counted, *others = told["asked"]
    assert (counted["name"], counted["drowns_below"]) == ("n", price.drowns_below[0])
    assert told["needed"] is None
    assert others
    assert all(each["drowns_below"] is None for each in others)
    assert told["left"][1] == {"scope": "person", "cap": "1", "spent": "0", "remaining": UNSPENT, "delta": "1e-6"}


def test_of_open_keys_it_is_told_how_many_people_one_needs(ask):
    told = ask("%%secure_sql\nSELECT town, COUNT(DISTINCT person) FROM patients GROUP BY town")
    [counted] = told["asked"]
    assert told["needed"] > counted["drowns_below"] > 0


@pytest.mark.parametrize("start", ["%%secure_sql\n", "\n  \n%%secure_sql --dry-run\n", "%%secure_sql  \r\n"])
def test_without_a_price_it_is_that_of_the_policy(ask, start):
    assert ask(start + "SELECT COUNT(*) FROM patients")["cost"] == "0.25"


def test_nothing_is_spent_or_loaded_and_nobody_is_asked(client, ask):
    before = len(kinds(client))
    ask(f"%%secure_sql\n{COUNT}")
    assert kinds(client)[: len(kinds(client)) - before] == [Kind.QUERY_DECIDED]
    assert client.world.vault.audit.entries(limit=1)[0].header.extra == {"preview": "yes"}
    assert ask(f"%%secure_sql\n{COUNT}")["left"][1]["remaining"] == UNSPENT
    before = len(kinds(client))
    with pytest.raises(RefusedError) as caught:
        ask("%%secure_sql\nSELECT COUNT(*) FROM locked")
    assert type(caught.value) is RefusedError  # no challenge, which the sidebar would show
    with pytest.raises(RefusedError) as unknown:
        ask("%%secure_sql\nSELECT COUNT(*) FROM nothing_of_that_name")
    assert unknown.value.public == caught.value.public
    assert len(kinds(client)) == before


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("", "begins with `%%secure_sql`"),
        ("1 + 1", "begins with `%%secure_sql`"),
        ("%%secure_sqlite\nSELECT 1", "begins with `%%secure_sql`"),
        (f"%%secure_sql\n{' ' * forecast.LONGEST}", "up to 20000 characters"),
        (f"%%secure_sql --epsilon {{price}}\n{COUNT}", "The line names a variable"),
        (f"%%secure_sql --epsilon $price\n{COUNT}", "The line names a variable"),
        (f"%%secure_sql --epsilon lots\n{COUNT}", "`epsilon` is a positive number"),
        (f"%%secure_sql --eps\n{COUNT}", "The options of the line are not well formed"),
        ("%%secure_sql\n", "one SELECT"),
        ("%%secure_sql\nDROP TABLE patients", "one SELECT"),
        ("%%secure_sql\nSELECT nothing FROM patients", "There is no column `nothing` here"),
        ("%%secure_sql\nSELECT sex FROM patients LIMIT 3", "`LIMIT` without `ORDER BY`"),
        ("%%secure_sql\nSELECT AVG(sex) FROM patients", "sex"),
        (f"%%secure_sql --epsilon 100\n{COUNT}", "epsilon"),
    ],
)
def test_what_cannot_be_told_is_a_sentence(ask, cell, sentence):
    with pytest.raises(SecureError) as caught:
        ask(cell)
    assert isinstance(caught.value, InvalidRequestError)
    assert sentence in caught.value.public


class Comm:
    def __init__(self):
        self.told = []

    def close(self, data):
        self.told.append(data)


def opened(data):
    comm = Comm()
    forecast.opened(comm, {"content": {"data": data}})
    [told] = comm.told
    return told


@pytest.mark.usefixtures("ask")
def test_jupyterlab_is_answered_once_by_the_forecast_or_by_a_sentence():
    assert opened({"cell": f"%%secure_sql\n{COUNT}"})["cost"] == "0.25"
    for data in ({}, {"cell": 3}, {"cell": "%%secure_sql"}):
        assert opened(data)["fault"]["code"] == "invalid"


def test_a_kernel_answers_from_load_to_unload_and_a_plain_shell_never():
    forecast.install(SimpleNamespace())
    targets = {}
    manager = SimpleNamespace(
        targets=targets,
        register_target=targets.__setitem__,
        unregister_target=lambda name, _: targets.pop(name),
    )
    shell = SimpleNamespace(kernel=SimpleNamespace(comm_manager=manager))
    forecast.install(shell)
    assert targets == {forecast.TARGET: forecast.opened}
    forecast.uninstall(shell)
    forecast.uninstall(shell)
    assert targets == {}


def test_only_a_catalog_and_a_preview_are_asked_for(client, ask, monkeypatch):
    asked = []
    monkeypatch.setattr(
        client, "request", lambda *args, **_: asked.append(args[0]) or DeskClient.request(client, *args)
    )
    ask(f"%%secure_sql\n{COUNT}")
    assert [type(message) for message in asked] == [Catalog, Query]
    assert asked[1].preview
