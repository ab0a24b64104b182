"""Connections of kernels: who is asked, what is in the log, what a load closes."""

import asyncio
import os

import pyarrow as pa
import pytest

from jupyter_secure.broker.egress import Egress
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import (
    AuditUnavailableError,
    InvalidRequestError,
    RefusedError,
    UnauthenticatedError,
)
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.messages import CloseKernel, Connect, FromKernel, Load, Network, Status
from jupyter_secure.protocol.record import Kind
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.world import World, full_disk

POLICY = """
[dataset.patients]

[[rule]]
id = "masked"
to = ["role:scientist"]
datasets = ["patients"]
view = "masked"
mask = { direct = "redact", measure = "keep" }

[[egress]]
id = "web"
to = ["role:scientist"]
hosts = ["pypi.org", "*.example.org"]

[[egress]]
id = "mirror"
to = ["role:scientist"]
hosts = ["mirror.example.com:8443"]
after = ["masked"]
"""


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        world.person("sam", "scientist")
        world.person("ann", "steward")
        table = pa.table({"name": ["Ada", "Bob"], "cost": [1.0, 2.0]})
        world.seal(table, "patients", {"name": Tag.DIRECT, "cost": Tag.MEASURE})
        world.apply(POLICY)
        yield world
        world.verify()


def entries(world):
    return list(reversed(world.vault.audit.entries(kinds=(Kind.EGRESS_DECIDED,), limit=None)))


def drain(fd):
    with os.fdopen(fd, "rb") as stream:
        stream.read()


async def connect(front, kernel, host="pypi.org", port=443, again=False):
    return await front.ask(Connect(grant=kernel.grant, host=host, port=port, again=again))


async def test_a_permitted_and_a_refused_connection_are_in_the_log_with_host_and_port(world):
    async with world.desk() as front:
        kernel = await front.kernel("sam")
        await connect(front, kernel, "PyPI.org.")
        with pytest.raises(RefusedError, match=r"evil\.org:443"):
            await connect(front, kernel, "evil.org")
    first, second = entries(world)
    assert (first.header.outcome, first.header.extra, first.personal.note) == (
        "permitted",
        {"table": "web"},
        "pypi.org:443",
    )
    assert (second.header.outcome, second.header.extra, second.personal.note) == ("refused", {}, "evil.org:443")
    assert first.personal.user == "sam"
    assert first.personal.notebook == "study.ipynb"


async def connect_often(front, kernel):
    for _ in range(2000):
        await connect(front, kernel)


async def test_without_a_log_nothing_is_permitted(world):
    async with world.desk() as front:
        kernel = await front.kernel("sam")
        with full_disk(front.desk.vault), pytest.raises(AuditUnavailableError):
            await connect_often(front, kernel)
        await connect(front, kernel)


async def test_a_masked_view_closes_what_policy_does_not_keep_open(world):
    async with world.desk() as front:
        kernel, other = await front.kernel("sam"), await front.kernel("sam")
        await connect(front, kernel)
        await kernel.fetch(Load(dataset="patients"))
        with pytest.raises(RefusedError):
            await connect(front, kernel)
        with pytest.raises(RefusedError):
            await connect(front, kernel, again=True)
        await connect(front, kernel, "mirror.example.com", 8443)
        await connect(front, other)
        status = await kernel.ask(Status())
        assert status.network == (
            "mirror.example.com:8443 through the guard's proxy. "
            "*.example.org, pypi.org closed since patients was loaded; a restart of the kernel opens it again."
        )


async def test_it_is_closed_before_the_view_is_handed_over(world):
    async with world.desk() as front:
        kernel = await front.kernel("sam")
        seen = []

        async def reply(message, fd=None):
            if fd is not None:
                with pytest.raises(RefusedError):
                    await connect(front, kernel)
                seen.append(message)
                await asyncio.to_thread(drain, os.dup(fd))

        caller = await front.desk._caller_of_grant(kernel.grant)
        await front.desk._counter.answer(caller, Load(dataset="patients"), reply)
        assert len(seen) == 1


async def test_a_question_whether_it_still_stands_is_not_logged(world):
    async with world.desk() as front:
        await connect(front, await front.kernel("sam"), again=True)
    assert entries(world) == []


@pytest.mark.parametrize("level", [GuardLevel.G0, GuardLevel.G1, GuardLevel.G2, GuardLevel.G4])
async def test_only_the_level_with_a_network_of_its_own_has_a_way_out(world, level):
    async with world.desk() as front:
        kernel = await front.kernel("sam", level=level)
        with pytest.raises(RefusedError):
            await connect(front, kernel)
        assert (await kernel.ask(Status())).network.startswith("No network")


async def test_a_grant_from_before_this_broker_counts_as_having_loaded_everything(world):
    async with world.desk() as front:
        kernel = await front.kernel("sam")
    world.clock.pass_time(1)
    async with world.desk() as front:
        for host, port in (("pypi.org", 443), ("mirror.example.com", 8443)):
            with pytest.raises(RefusedError):
                await connect(front, kernel, host, port)
        assert "closed" in (await front.ask(FromKernel(grant=kernel.grant, request=Status()))).network


async def test_whom_no_table_names_has_no_network(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        assert (await kernel.ask(Status())).network == "No network."
        assert (await front.ask(Network(ticket=kernel.ticket))).hosts == ()
        with pytest.raises(RefusedError):
            await connect(front, kernel)


async def test_a_new_kernel_is_told_its_hosts_before_it_has_a_grant(world):
    async with world.desk() as front:
        ticket = await front.login("sam")
        front.desk.vault.keychain.lock()  # what policy says can be read without the passphrase
        reply = await front.ask(Network(ticket=ticket))
    assert reply.hosts == ("*.example.org", "mirror.example.com:8443", "pypi.org")


async def test_a_closed_grant_and_what_is_no_host_are_refused(world):
    async with world.desk() as front:
        kernel = await front.kernel("sam")
        with pytest.raises(InvalidRequestError):
            await connect(front, kernel, "2130706433")
        await front.ask(CloseKernel(grant=kernel.grant))
        with pytest.raises(UnauthenticatedError):
            await connect(front, kernel)


async def test_on_a_hub_nothing_is_permitted(world):
    async with world.desk() as front:
        kernel = await front.kernel("sam")
        caller = await front.desk._caller_of_grant(kernel.grant)
        hub = Egress(front.desk.vault, front.desk._egress.policies, offered=False)
        assert "network policy" in hub.network(caller).sentence
        with pytest.raises(RefusedError):
            await hub.connect(caller, Connect(grant=kernel.grant, host="pypi.org", port=443))
        assert Rung.MASKED not in hub.loaded
