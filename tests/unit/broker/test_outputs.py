"""Outputs compared with what was served: which words occur in whose view, and what is said of it."""

import datetime as dt

import pyarrow as pa
import pytest

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import PolicyError
from jupyter_secure.protocol.messages import Compare, Load, OutputWords
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.world import World

POLICY = """
[dataset.patients]
tags = {{ name = "direct", city = "quasi", born = "quasi", visits = "measure", cost = "measure" }}

[[rule]]
id = "scientists-get-masked"
to = ["role:scientist"]
datasets = ["patients"]
view = "masked"
mask = {{ direct = "pseudonym", quasi = "keep-as-it-is", measure = "keep" }}

[[rule]]
id = "engineers-get-raw"
to = ["role:engineer"]
datasets = ["patients"]
view = "raw"
{outputs}
"""
STRIP = '[outputs]\non_match = "strip"\n'
ROWS = 200
TABLE = pa.table(
    {
        "name": [f"Person Number{n}" for n in range(ROWS)],
        "city": ["Springfield" if n % 2 else "Shelbyville" for n in range(ROWS)],
        "born": [dt.date(1950, 1, 1) + dt.timedelta(days=37 * n) for n in range(ROWS)],
        "visits": [100_000 + n for n in range(ROWS)],
        "cost": [1000.25 + n for n in range(ROWS)],
    }
)


def policy(outputs=STRIP):
    text = POLICY.format(outputs=outputs)
    return text.replace('quasi = "keep-as-it-is"', 'quasi = { method = "generalize", prefix = 20, unit = "month" }')


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        world.person("ann", "scientist")
        world.person("bob", "engineer")
        tags = {"name": Tag.DIRECT, "city": Tag.QUASI, "born": Tag.QUASI, "visits": Tag.MEASURE, "cost": Tag.MEASURE}
        world.seal(TABLE, tags=tags)
        world.apply(policy())
        yield world
        world.verify()


async def ask(front, kernel, *outputs):
    listed = tuple(OutputWords(words=tuple(words)) for words in outputs)
    return await front.ask(Compare(ticket=kernel.ticket, notebook="study.ipynb", outputs=listed))


async def test_raw_values_are_found_in_the_output_that_shows_them(world):
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        await kernel.fetch(Load(dataset="patients"))
        shown = await ask(
            front, kernel, ["nothing", "here"], ["Person Number7", "100199", "1007.25", "1950-01-01", "Springfield"]
        )
    assert shown.action == "strip"
    assert not shown.unknown
    (match,) = shown.matches
    assert (match.output, match.dataset, match.values) == (1, "patients", 4)
    assert match.columns == ("born", "cost", "name", "visits")  # a city that many share is nobody's


async def test_tokens_are_found_as_the_kernel_writes_them_and_what_was_masked_away_is_not(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        _, table = await kernel.fetch(Load(dataset="patients"))
        token = table.column("name")[3].as_py()
        assert len(token) == 16
        shown = await ask(front, kernel, [token], ["Person Number3"])
    assert [(match.output, match.columns) for match in shown.matches] == [(0, ("name",))]


async def test_who_was_served_nothing_has_nothing_compared(world):
    async with world.desk() as front:
        bob, ann = await front.kernel("bob"), await front.kernel("ann")
        await bob.fetch(Load(dataset="patients"))
        assert (await ask(front, ann, ["Person Number7"])).matches == ()
        assert (await ask(front, bob, [])).matches == ()


async def test_a_match_is_recorded_without_a_value(world):
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        await kernel.fetch(Load(dataset="patients"))
        await ask(front, kernel, ["harmless"])
        await ask(front, kernel, ["Person Number7"])
    (entry,) = world.vault.audit.entries(kinds=(Kind.OUTPUTS_COMPARED,), limit=None)
    assert entry.header.extra == {"action": "strip", "outputs": "1", "values": "1"}
    assert (entry.personal.user, entry.personal.notebook) == ("bob", "study.ipynb")
    assert entry.personal.note == (
        "Left out of the saved file, because 1 of its new outputs show 1 values that were served."
    )
    assert "Number7" not in str(entry)


async def test_a_kernel_from_before_the_broker_started_is_not_called_clean(world):
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        await kernel.fetch(Load(dataset="patients"))
    world.clock.pass_time(5)
    async with world.desk() as front:
        kernel.desk = front.desk
        shown = await ask(front, kernel, ["Person Number7"])
    assert shown.unknown
    (entry,) = world.vault.audit.entries(kinds=(Kind.OUTPUTS_COMPARED,), limit=None)
    assert entry.header.extra["unknown"] == "yes"


async def test_more_views_than_are_kept_are_not_forgotten_silently(world, monkeypatch):
    monkeypatch.setattr("jupyter_secure.broker.served.MOST", 1)
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        await kernel.fetch(Load(dataset="patients", columns=("name",)))
        assert not (await ask(front, kernel, ["x"])).unknown
        await kernel.fetch(Load(dataset="patients", columns=("cost",)))
        assert (await ask(front, kernel, ["x"])).unknown


@pytest.mark.parametrize(
    ("outputs", "action", "matches"),
    [
        ("", "off", 0),
        ('[outputs]\non_match = "warn"\n', "warn", 1),
        ('[outputs]\non_match = "refuse"\nleast = 3\n', "refuse", 1),
        ('[outputs]\non_match = "refuse"\nleast = 4\n', "refuse", 0),
    ],
)
async def test_policy_says_what_happens_and_from_how_many_values_on(world, outputs, action, matches):
    world.apply(policy(outputs))
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        await kernel.fetch(Load(dataset="patients"))
        shown = await ask(front, kernel, ["Person Number1", "Person Number2", "Person Number3"])
    assert (shown.action, len(shown.matches)) == (action, matches)


@pytest.mark.parametrize(
    "wrong", ['[outputs]\non_match = "delete"\n', "[outputs]\nleast = 1\n", '[outputs]\non_match = "warn"\nleast = 0\n']
)
def test_a_policy_that_says_something_else_is_refused(world, wrong):
    with pytest.raises(PolicyError, match="outputs"):
        world.apply(policy(wrong))
