"""The broker as a service: the same answers over HTTPS as over the local socket, to those whom the Hub knows."""

import asyncio
import os

import pytest

from jupyter_secure.protocol.errors import CancelledError, InvalidRequestError, RefusedError, UnavailableError
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.messages import (
    Cancel,
    Catalog,
    CloseKernel,
    FromKernel,
    Load,
    Login,
    MoveKernel,
    PanelCatalog,
    PanelLog,
    State,
    Status,
    Stop,
    Unlock,
    WhoAmI,
)
from tests.waiting import queued, until

LOAD = Load(dataset="patients")


async def test_a_view_arrives_as_on_the_laptop(deployment):
    async with deployment.service():
        kernel = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
        table = await kernel.load(LOAD)
        assert table.column("age").to_pylist() == list(range(1000))
        status = await kernel.ask(Status())
        assert (status.principal.name, status.principal.roles) == ("ann", ("scientist",))
        assert (await kernel.ask(Catalog())).offers[0].dataset == "patients"


async def test_a_refusal_is_the_same_error_as_on_the_laptop(deployment):
    async with deployment.service():
        kernel = await deployment.kernel(deployment.hub.token("ann"))
        with pytest.raises(RefusedError, match="patients"):
            await kernel.load(LOAD)


async def test_the_guard_counts_as_far_as_the_operator_declares_it(deployment):
    async with deployment.service(declared=GuardLevel.G2):
        kernel = await deployment.kernel(deployment.hub.token("eve", ["engineer"]), level=GuardLevel.G4)
        assert kernel.grant.guard.level is GuardLevel.G2
        with pytest.raises(RefusedError):
            await kernel.load(LOAD)
        low = await deployment.kernel(deployment.hub.token("eve", ["engineer"]), "k-2", level=GuardLevel.G1)
        assert low.grant.guard.level is GuardLevel.G1
    async with deployment.service(declared=GuardLevel.G3):
        kernel = await deployment.kernel(deployment.hub.token("eve", ["engineer"]), level=GuardLevel.G3)
        assert (await kernel.load(LOAD)).num_rows == 1000


async def test_the_panel_is_answered_for_the_token(deployment):
    async with deployment.service():
        relay = deployment.relay(deployment.hub.token("ann", ["scientist"]))
        session, _ = await relay.request(WhoAmI(ticket=""))
        assert (session.principal.name, session.ticket) == ("ann", "")
        assert (await relay.request(PanelCatalog(ticket="")))[0].offers
        assert (await relay.request(PanelLog(ticket="")))[0].checkpoint
        with pytest.raises(InvalidRequestError):
            await relay.request(WhoAmI(ticket="made-up"))


@pytest.mark.parametrize("body", [Login(user="ann", password="x"), Unlock(passphrase="x"), Stop()])
async def test_logging_in_unlocking_and_stopping_are_not_offered(deployment, body):
    async with deployment.service() as service:
        relay = deployment.relay(deployment.hub.token("ann", ["steward"]))
        with pytest.raises(InvalidRequestError):
            await relay.request(body)
        assert (await relay.request(State()))[0].vault == "unlocked"
        assert not service.stopping


async def test_a_renamed_notebook_and_an_ended_kernel_are_followed(deployment):
    async with deployment.service():
        kernel = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
        moved, _ = await kernel.relay.request(MoveKernel(grant=kernel.grant.id, notebook="b.ipynb"))
        assert moved.grant.notebook == "b.ipynb"
        await kernel.relay.request(CloseKernel(grant=kernel.grant.id))
        await kernel.relay.request(CloseKernel(grant=kernel.grant.id))  # a second time is no error
        with pytest.raises(Exception, match="ended"):
            await kernel.ask(Status())


async def test_a_change_is_told_to_the_person_and_to_nobody_else(deployment):
    async with deployment.service():
        ann, bob = deployment.hub.token("ann", ["scientist"]), deployment.hub.token("bob", ["scientist"])
        there = []
        for token in (ann, bob):
            deployment.relay(token).listen(lambda token=token: there.append(token))
        await until(lambda: set(there) == {ann, bob})
        deployment.changes.clear()
        kernel = await deployment.kernel(ann)
        await kernel.load(LOAD)
        await until(lambda: ann in deployment.changes)
        await asyncio.sleep(0.3)  # what went to the other has arrived by now
        assert set(deployment.changes) == {ann}


async def test_a_kernel_that_stops_reading_holds_the_view_back_and_its_end_ends_the_worker(deployment):
    async with deployment.service() as service:
        kernel = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
        _, fd = await kernel.start(LOAD)
        os.close(fd)  # the kernel dies before it reads
        await until(lambda: not service.under_way)
        assert (await kernel.load(LOAD)).num_rows == 1000


async def test_a_cancelled_request_ends_at_the_broker(deployment):
    async with deployment.service() as service:
        kernel = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
        async with service.desk._counter._gate.turns["ann"]:  # somebody else's turn: the load waits
            numbers = []
            request = FromKernel(grant=kernel.grant.id, request=LOAD)
            waiting = asyncio.create_task(kernel.relay.request(request, issued=numbers.append))
            await queued(service.desk._counter._gate.turns["ann"])
            assert service.under_way == 1
            await kernel.relay.tell(FromKernel(grant=kernel.grant.id, request=Cancel(request=numbers[0])))
            with pytest.raises(CancelledError):
                await waiting
            await until(lambda: not service.under_way)
        assert [entry.header.error for entry in service.desk.vault.audit.entries(limit=1)] == ["cancelled"]


async def test_a_relay_goes_on_after_the_broker_was_restarted(deployment):
    token = deployment.hub.token("ann", ["scientist"])
    returned = []
    async with deployment.service():
        kernel = await deployment.kernel(token)
        kernel.relay.listen(lambda: returned.append(1))
        await kernel.load(LOAD)
    with pytest.raises(UnavailableError):
        await kernel.ask(Status())
    async with deployment.service():
        await kernel.hello()
        assert (await kernel.load(LOAD)).num_rows == 1000
        await until(lambda: len(returned) == 2)
        assert kernel.relay.connected
