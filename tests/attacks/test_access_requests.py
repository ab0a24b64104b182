"""Nobody gives himself access, and what was given ends when it should."""

import asyncio
import os

import pyarrow as pa
import pytest
import sqlalchemy.event

from jupyter_secure.broker.service.desk import Desk
from jupyter_secure.protocol.access import RequestState
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import (
    AuditUnavailableError,
    ConflictError,
    RefusedError,
    SecureError,
    UnauthenticatedError,
)
from jupyter_secure.protocol.messages import (
    AskAccess,
    Decide,
    FromKernel,
    ListRequests,
    Load,
    Login,
    PanelAsk,
    PanelLog,
    Revoke,
)
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import PASSWORD, World

ROWS = 300_000  # more than a pipe holds, so that a worker waits for its reader
POLICY = """
[dataset.patients]
[dataset.payroll]
[dataset.planned]

[[rule]]
id = "raw-on-request"
to = ["everyone"]
except_to = ["role:engineer"]
datasets = ["patients"]
view = "raw"
when = { approval = true }

[[rule]]
id = "payroll-on-request"
to = ["role:officer"]
datasets = ["payroll", "planned"]
view = "raw"
when = { approval = true }
"""
WISH = AskAccess(dataset="patients", reason="Who comes back?", days=7)


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        for name, *roles in [
            ("ann", "scientist"),
            ("ben", "scientist"),
            ("bob", "engineer"),
            ("sue", "steward"),
            ("tom", "steward", "officer", "scientist"),
            ("olaf", "officer"),
        ]:
            world.person(name, *roles)
        table = pa.table({"age": [n % 90 for n in range(ROWS)]})
        for name in ("patients", "payroll"):
            world.seal(table, name, {"age": Tag.QUASI})
        world.apply(POLICY)
        yield world
        world.verify()


def entries(world, kind):
    return [entry.header for entry in reversed(world.vault.audit.entries(kinds=(kind,), limit=None))]


async def asked(front, name="ann"):
    return (await front.ask(PanelAsk(ticket=await front.login(name), ask=WISH))).request.id


async def decide(front, name, request, *, approve=True):
    return (await front.ask(Decide(ticket=await front.login(name), request=request, approve=approve))).request


async def said(answering):
    try:
        await answering
    except SecureError as error:
        return type(error), error.public
    raise AssertionError("it was answered")


async def test_nobody_approves_his_own_request_with_any_number_of_roles(world):
    async with world.desk() as front:
        request = await asked(front, "tom")
        for approve in (True, False):
            with pytest.raises(RefusedError, match="own request"):
                await decide(front, "tom", request, approve=approve)
        kernel = await front.kernel("tom")
        with pytest.raises(RefusedError):
            await kernel.ask(Load(dataset="patients"))
    assert [header.outcome for header in entries(world, Kind.ACCESS_APPROVED)] == ["refused"]
    assert [header.outcome for header in entries(world, Kind.ACCESS_DENIED)] == ["refused"]


async def test_of_two_approvers_at_once_one_wins(world):
    async with world.desk() as front:
        request = await asked(front)
        tickets = [await front.login(name) for name in ("sue", "tom", "olaf")]
        answers = await asyncio.gather(
            *(
                front.desk.answer(Decide(ticket=ticket, request=request, approve=place != 1), _ignore)
                for place, ticket in enumerate(tickets)
            ),
            return_exceptions=True,
        )
        assert sorted(type(it).__name__ for it in answers) == ["ConflictError", "ConflictError", "NoneType"]
    decided = entries(world, Kind.ACCESS_APPROVED) + entries(world, Kind.ACCESS_DENIED)
    assert [header.outcome for header in decided].count("done") == 1


async def test_two_brokers_on_one_store_decide_once(world):
    async def changed(*_):
        pass

    async with world.desk() as front, Desk.open(str(world.path), changed, now=world.clock) as other:
        other.vault.unlock(PASSPHRASE)
        for approve in (True, False):
            request = await asked(front, "ann" if approve else "ben")
            bodies = [
                (desk, Decide(ticket=await front.login(name), request=request, approve=approve))
                for desk, name in ((front.desk, "sue"), (other, "olaf"))
            ]
            answers = await asyncio.gather(
                *(desk.answer(body, _ignore) for desk, body in bodies), return_exceptions=True
            )
            assert sorted(type(it).__name__ for it in answers) == ["ConflictError", "NoneType"]


async def test_a_decision_cannot_be_replayed(world):
    async with world.desk() as front:
        request = await asked(front)
        body = Decide(ticket=await front.login("sue"), request=request, approve=True)
        await front.ask(body)
        with pytest.raises(ConflictError, match="approved already"):
            await front.ask(body)
        await front.ask(Revoke(ticket=await front.login("olaf"), request=request))
        with pytest.raises(ConflictError, match="was revoked"):
            await front.ask(body)
        kernel = await front.kernel("ann")
        with pytest.raises(RefusedError):
            await kernel.ask(Load(dataset="patients"))


async def test_an_expired_approval_cannot_be_brought_back(world):
    async with world.desk() as front:
        request = await asked(front)
        approved = await decide(front, "sue", request)
        world.clock.now_ms = approved.until
        kernel = await front.kernel("ann")
        with pytest.raises(RefusedError):
            await kernel.ask(Load(dataset="patients"))
        for attempt in (decide(front, "sue", request), decide(front, "sue", request, approve=False)):
            with pytest.raises(ConflictError, match="has run out"):
                await attempt


async def test_the_number_of_another_person_s_request_is_worth_nothing(world):
    async with world.desk() as front:
        request = await asked(front)
        ticket = await front.login("ben")
        for number in (request, "f" * 32):
            bodies = [
                Decide(ticket=ticket, request=number, approve=True),
                Decide(ticket=ticket, request=number, approve=False),
                Revoke(ticket=ticket, request=number),
            ]
            assert {await said(front.ask(body)) for body in bodies} == {
                (RefusedError, "There is no request of that number that you could decide or end.")
            }
        log = (await front.ask(PanelLog(ticket=ticket, limit=200))).entries
    shown = [(it.header.kind, it.header.dataset, it.header.rung) for it in log if it.header.kind.startswith("access.")]
    assert len(shown) == 6
    assert {(dataset, rung) for _, dataset, rung in shown} == {(None, None)}


async def test_who_lost_the_role_meanwhile_does_not_decide(world):
    async with world.desk() as front:
        request = await asked(front)
        ticket = await front.login("sue")
        assert (await front.ask(ListRequests(ticket=ticket))).others
        world.accounts.set_roles("sue", ["scientist"])
        with pytest.raises(RefusedError):
            await front.ask(Decide(ticket=ticket, request=request, approve=True))
        assert (await front.ask(ListRequests(ticket=ticket))).others == ()
        world.accounts.disable("olaf")
        with pytest.raises(UnauthenticatedError):
            await front.ask(Login(user="olaf", password=PASSWORD))


async def test_who_lost_what_the_rule_asks_for_loses_the_access_too(world):
    async with world.desk() as front:
        await decide(front, "sue", await asked(front))
        kernel = await front.kernel("ann")
        await kernel.fetch(Load(dataset="patients"))
        world.accounts.set_roles("ann", ["engineer"])
        with pytest.raises(RefusedError):
            await kernel.ask(Load(dataset="patients"))


async def test_access_revoked_while_a_load_runs_ends_with_that_load(world):
    async with world.desk() as front:
        request = await asked(front)
        await decide(front, "sue", request)
        kernel = await front.kernel("ann")
        begun, fds = asyncio.Event(), []

        async def keep(_message, fd):
            fds.append(os.dup(fd))
            begun.set()

        body = FromKernel(grant=kernel.grant, request=Load(dataset="patients"))
        running = asyncio.create_task(front.desk.answer(body, keep))
        await begun.wait()
        await front.ask(Revoke(ticket=await front.login("olaf"), request=request))
        with pytest.raises(RefusedError):
            await kernel.ask(Load(dataset="patients"))
        os.close(fds[0])
        await asyncio.gather(running, return_exceptions=True)


async def test_access_revoked_while_a_load_waits_for_its_turn_does_not_cross(world):
    async with world.desk() as front:
        request = await asked(front)
        await decide(front, "sue", request)
        kernel = await front.kernel("ann")
        turn = front.desk._counter._gate.turns["ann"]
        await turn.acquire()
        waiting = asyncio.create_task(kernel.fetch(Load(dataset="patients")))
        while not entries(world, Kind.LOAD_DECIDED):  # noqa: ASYNC110 - the log sends no event
            await asyncio.sleep(0.01)
        await front.ask(Revoke(ticket=await front.login("sue"), request=request))
        turn.release()
        with pytest.raises(ConflictError):
            await waiting


@pytest.mark.parametrize("dataset", ["payroll", "planned", "never-was"])
async def test_asking_does_not_tell_which_datasets_there_are(world, dataset):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        answer = await said(kernel.ask(AskAccess(dataset=dataset, reason="let me in", days=1)))
        shape = (RefusedError, f"Nothing called `{dataset}` is available to you in that form.")
        assert (answer[0], answer[1].partition(" `%secure")[0]) == shape
        assert answer == await said(kernel.ask(Load(dataset=dataset)))
        approver = await front.ask(ListRequests(ticket=await front.login("olaf")))
        assert approver.others == ()
        assert (await front.ask(ListRequests(ticket=kernel.ticket))).mine == ()
    [header] = entries(world, Kind.ACCESS_REQUESTED)
    assert (header.outcome, header.dataset, header.version, header.policy) == ("refused", dataset, None, None)


async def test_asking_costs_the_same_reads_whatever_there_is(world):
    counted = {}
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        await said(kernel.ask(Load(dataset="patients")))
        engine = front.desk.vault.engine
        for name in ("patients", "payroll", "planned", "never-was"):
            statements = []

            def count(_connection, _cursor, statement, *_):
                statements.append(statement)  # noqa: B023 - removed again before the next turn

            sqlalchemy.event.listen(engine, "before_cursor_execute", count)
            await said(kernel.ask(AskAccess(dataset=name, reason="let me in", days=1)))
            sqlalchemy.event.remove(engine, "before_cursor_execute", count)
            counted[name] = tuple(sorted(statements))
    assert len(set(counted.values())) == 1, counted


async def test_without_a_log_nothing_is_given(world, monkeypatch):
    async with world.desk() as front:
        request = await asked(front)
        ticket = await front.login("sue")

        async def broken(*_):
            raise AuditUnavailableError

        with monkeypatch.context() as patch:
            patch.setattr(front.desk.vault.audit, "record", broken)
            with pytest.raises(AuditUnavailableError):
                await front.ask(Decide(ticket=ticket, request=request, approve=True))
            with pytest.raises(AuditUnavailableError):
                await front.ask(PanelAsk(ticket=ticket, ask=WISH))
        assert front.desk.requests.get(request).state is RequestState.REQUESTED
        assert len(front.desk.requests.list()) == 1


async def _ignore(_message, _fd):
    """Take an answer and do nothing with it."""
