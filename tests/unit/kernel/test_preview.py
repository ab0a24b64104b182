"""Examples of a column's form are what the masks make of the same values."""

import datetime as dt
import re
from typing import get_args

import pyarrow as pa
import pytest

from jupyter_secure.broker.views.mask.choice import choose
from jupyter_secure.kernel import api
from jupyter_secure.protocol import treatment as t
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import RefusedError
from jupyter_secure.protocol.form import DAY, FRACTION, MOMENT, NUMBER, TEXT, form
from jupyter_secure.protocol.messages import Catalog, Why
from jupyter_secure.testing.world import World
from tests.unit.kernel.desk_client import DeskClient

VALUES = {
    "string": (TEXT, pa.string()), "int64": (NUMBER, pa.int64()), "double": (FRACTION, pa.float64()),
    "date32[day]": (dt.date.fromisoformat(DAY), pa.date32()),
    "timestamp[us]": (dt.datetime.fromisoformat(MOMENT), pa.timestamp("us")),
}  # fmt: skip


def masked(treatment, value, kind):
    return choose(treatment, kind, bytes(32), pa.string()).apply(pa.array([value], kind)).to_pylist()[0]


@pytest.mark.parametrize(
    ("treatment", "kind"),
    [
        (t.Generalize(), "string"), (t.Generalize(prefix=0), "string"), (t.Generalize(prefix=5), "string"),
        (t.Generalize(width=5), "int64"), (t.Generalize(grid=0.25), "double"),
        *((t.Generalize(unit=unit), "date32[day]") for unit in get_args(t.Unit)),
        (t.Generalize(unit="month"), "timestamp[us]"), (t.Redact(), "string"), (t.Constant(value="x"), "string"),
        (t.Partial(form="tail"), "string"), (t.Keep(), "int64"), (t.Keep(), "double"), (t.Keep(), "string"),
    ],
    ids=repr,
)  # fmt: skip
def test_an_example_is_what_the_mask_makes_of_the_value(treatment, kind):
    value, arrow = VALUES[kind]
    made = masked(treatment, value, arrow)
    made = (
        f"{made:%Y-%m-%d %H:%M}" if isinstance(made, dt.datetime) else f"{made:g}" if isinstance(made, float) else made
    )
    assert re.split(r", by| \(the", form(treatment, kind))[0] == str(made)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("email", "ann@example.org"), ("phone", "+49 30 1234567"), ("iban", "DE89 3704 0044 0532 0130 00"),
        ("card", "4111 1111 1111 1111"),
    ],
)  # fmt: skip
def test_a_part_is_shown_as_the_mask_shows_it(part, value):
    assert masked(t.Partial(form=part), value, pa.string()) == form(t.Partial(form=part), "string")


def test_a_token_looks_like_one_and_is_none():
    made, shown = masked(t.Pseudonym(), TEXT, pa.string()), form(t.Pseudonym(), "string").split()[0]
    assert isinstance(made, int)  # written out in hex by the kernel
    assert re.fullmatch(r"[0-9a-f]{16}", shown)
    assert masked(t.Scrub(), "call 030 1234567 or write to a@example.org", pa.string()) == form(t.Scrub(), "string")


@pytest.mark.parametrize(
    "treatment",
    [
        t.Clip(low=1), t.Noise(scale=2), t.ShiftDates(), t.FormatPreserving(),
        t.FormatPreserving(alphabet="alphanumeric"), t.Bucket(count=7), t.Generalize(edges=(0, 18, 65)),
        t.Custom(name="mine"), t.Suppress(),
    ],
    ids=repr,
)  # fmt: skip
def test_every_other_method_has_words(treatment):
    assert form(treatment, "int64")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("time64[us]", "15:08 (the value)"), ("duration[ms]", "3 days (the value)"), ("bool", "true (the value)"),
        ("list<item: int64>", "several values in one (the value)"), ("uint8", "47 (the value)"),
    ],
)  # fmt: skip
def test_a_value_of_every_kind_has_an_example_of_its_kind(kind, shown):
    assert form(t.Keep(), kind) == shown


def test_no_method_is_forgotten():
    made = {
        "keep": {}, "clip": {"low": 1}, "noise": {"scale": 1}, "partial": {"form": "tail"}, "bucket": {"count": 2},
        "custom": {"name": "mine"}, "constant": {"value": 1},
    }  # fmt: skip
    for name, kind in t.METHODS.items():
        assert form(kind(**made.get(name, {})), "string"), name
    assert form(None, "string") == ""


POLICY = """
[dataset.patients]
tags = { pid = "direct", age = "quasi", cost = "measure" }

[[rule]]
id = "scientists-get-masked"
to = ["role:scientist"]
datasets = ["patients"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize" }
"""


@pytest.fixture
def client(tmp_path):
    world = World(tmp_path)
    world.person("ann", "scientist")
    table = pa.table({"pid": ["someone"], "age": [61], "cost": [7.25]})
    world.seal(table, tags={"pid": Tag.DIRECT, "age": Tag.QUASI, "cost": Tag.MEASURE})
    world.apply(POLICY)
    client = DeskClient(world, "ann")
    yield client
    client.close()


def test_a_preview_says_what_would_come_and_opens_nothing(client, monkeypatch):
    asked = []
    request = client.request
    monkeypatch.setattr(client, "request", lambda message, progress=None: (asked.append(message), request(message))[1])
    monkeypatch.setattr(api.CONNECTION, "client", lambda: client)
    table = api.preview("patients")
    assert table.rows() == [
        ["pid", "string", "pseudonym", "3f9c61d07be482a5 (a token)"],
        ["age", "int64", "generalized", "40, by steps of 10"],
        ["cost", "double", "left out", ""],
    ]
    shown = table._repr_html_()
    assert "someone" not in shown
    assert "61" not in re.sub(r"3f9c61d07be482a5", "", shown)
    assert {type(message) for message in asked} == {Why, Catalog}
    assert [row[0] for row in api.preview("patients", columns="age").rows()] == ["age"]
    with pytest.raises(RefusedError):
        api.preview("nothing")
