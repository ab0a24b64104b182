"""People on one server: nobody uses, reads or sees what belongs to another, and nothing secret is shown."""

import typing

import msgspec
import pyarrow as pa
import pytest
import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from jupyter_secure.broker.store.tables.accounts import ACCOUNTS
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import RefusedError, SecureError, UnauthenticatedError
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.messages import (
    Confidential,
    FromKernel,
    Load,
    PanelBudget,
    PanelCatalog,
    PanelLineage,
    PanelLog,
    PanelWhy,
    RelayReply,
    RelayRequest,
    Status,
    ToBroker,
    Unlock,
)
from jupyter_secure.testing.world import World

POLICY = """
[dataset.patients]

[[rule]]
id = "confined-kernels-see-raw"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"
when = { guard = "G3" }
"""
SECRETS = {"ticket", "password", "passphrase", "secret", "recovery", "options", "code", "assertion"}
MESSAGES = {*typing.get_args(RelayRequest), *typing.get_args(RelayReply)}


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        for name, role in [("ann", "scientist"), ("bob", "scientist"), ("olaf", "officer")]:
            world.person(name, role)
        world.seal(pa.table({"age": [31, 47]}), tags={"age": Tag.QUASI})
        world.apply(POLICY)
        yield world
        world.verify()


async def test_the_panel_cannot_borrow_another_persons_kernel(world):
    async with world.desk() as front:
        ann = await front.kernel("ann", level=GuardLevel.G3)
        bob = await front.login("bob")
        for kind, fields in ((PanelCatalog, {}), (PanelWhy, {"dataset": "patients"}), (PanelBudget, {})):
            with pytest.raises(SecureError):
                await front.ask(kind(ticket=bob, grant=ann.grant, **fields))
        mine = await front.ask(PanelCatalog(ticket=ann.ticket, grant=ann.grant))
        alone = await front.ask(PanelCatalog(ticket=bob))
    assert mine.offers[0].rungs
    assert not alone.offers[0].rungs  # without a kernel of his own the guard level counts as G0


async def test_a_ticket_opens_no_kernels_door_and_a_grant_no_persons(world):
    async with world.desk() as front:
        ann = await front.kernel("ann")
        with pytest.raises(UnauthenticatedError):
            await front.ask(FromKernel(grant=ann.ticket, request=Status()))
        with pytest.raises(UnauthenticatedError):
            await front.ask(PanelLog(ticket=ann.grant))


async def test_the_same_notebook_shows_each_person_only_what_that_person_did(world):
    async with world.desk() as front:
        kernels = [await front.kernel(name, "shared.ipynb") for name in ("ann", "bob")]
        for kernel in kernels:
            await kernel.fetch(Load(dataset="patients"))
        for kernel, name in zip(kernels, ("ann", "bob"), strict=True):
            for notebook in ("shared.ipynb", None):
                log = await front.ask(PanelLog(ticket=kernel.ticket, notebook=notebook))
                assert {entry.personal.user for entry in log.entries} == {name}
            graph = (await front.ask(PanelLineage(ticket=kernel.ticket, notebook="shared.ipynb"))).graph
            assert [node.detail.get("count") for node in graph.nodes] == [None, "1", None]


async def test_an_officer_reads_the_log_and_no_data(world):
    async with world.desk() as front:
        await (await front.kernel("ann")).fetch(Load(dataset="patients"))
        officer = await front.kernel("olaf")
        assert "ann" in {
            entry.personal.user
            for entry in (await front.ask(PanelLog(ticket=officer.ticket))).entries
            if entry.personal
        }
        with pytest.raises(RefusedError):
            await officer.fetch(Load(dataset="patients"))
        world.accounts.set_roles("olaf", [])
        log = (await front.ask(PanelLog(ticket=officer.ticket))).entries
        assert {entry.personal.user for entry in log} == {"olaf"}


@pytest.mark.parametrize("kind", sorted(MESSAGES, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_a_message_with_a_secret_shows_nothing_of_it(kind):
    holds = SECRETS & {field.name for field in msgspec.structs.fields(kind)}
    assert bool(holds) == issubclass(kind, Confidential)


def test_a_secret_shows_in_no_envelope():
    assert "canary" not in repr(ToBroker(id=1, body=Unlock(passphrase="canary", ticket="canary")))


def test_a_failure_of_the_database_does_not_quote_what_was_to_be_stored(world):
    row = {"name": "ann", "display_name": "canary", "password_hash": "canary", "roles": ["canary"], "created": 1}
    with pytest.raises(SQLAlchemyError) as caught, world.vault.engine.begin() as connection:
        connection.execute(sqlalchemy.insert(ACCOUNTS), row)
    assert "canary" not in str(caught.value)
