"""Asking, deciding and ending, at the desk: who may, what opens, what the log says."""

import asyncio

import pyarrow as pa
import pytest

from jupyter_secure.protocol.access import DAY, RequestState
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import ConflictError, InvalidRequestError, RefusedError
from jupyter_secure.protocol.messages import (
    Acknowledge,
    AskAccess,
    Catalog,
    Decide,
    ListRequests,
    Load,
    PanelAsk,
    Revoke,
    Why,
)
from jupyter_secure.protocol.record import Kind
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.world import World

POLICY = """
[dataset.patients]
max_grant_days = 30
[dataset.planned]
[dataset.payroll]

[purpose.study]
title = "Readmissions"
[purpose.careful]
acknowledge = "I publish no single person."

[[rule]]
id = "raw-on-request"
to = ["role:scientist", "role:steward"]
datasets = ["patients", "planned"]
view = "raw"
when = { approval = true, purpose = ["study", "careful"] }

[[rule]]
id = "payroll-for-officers"
to = ["role:officer"]
datasets = ["payroll"]
view = "raw"
"""


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        for name, *roles in [
            ("ann", "scientist"),
            ("ben", "scientist"),
            ("sue", "steward"),
            ("tom", "steward", "officer"),
            ("olaf", "officer"),
        ]:
            world.person(name, *roles)
        table = pa.table({"name": ["a", "b"], "cost": [1.0, 2.0]})
        tags = {"name": Tag.DIRECT, "cost": Tag.MEASURE}
        world.seal(table, tags=tags)
        world.seal(table, "payroll", tags)
        world.apply(POLICY)
        yield world
        world.verify()


WISH = AskAccess(dataset="patients", purpose="study", reason="Who comes back?", days=7)


async def approved(front, **fields):
    kernel = await front.kernel("ann")
    request = (await kernel.ask(WISH)).request
    ticket = await front.login("sue")
    return kernel, (await front.ask(Decide(ticket=ticket, request=request.id, approve=True, **fields))).request


def entries(world, kind):
    return [it for it in reversed(world.vault.audit.entries(limit=None)) if it.header.kind is kind]


async def test_asked_approved_loaded_revoked_refused(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        with pytest.raises(RefusedError, match="%secure_request patients --as raw --purpose study"):
            await kernel.ask(Load(dataset="patients", purpose="study"))
        request = (await kernel.ask(WISH)).request
        assert (request.state, request.rung, request.user) == (RequestState.REQUESTED, Rung.RAW, "ann")
        with pytest.raises(RefusedError):
            await kernel.ask(Load(dataset="patients", purpose="study"))
        steward = await front.login("sue")
        [waiting] = (await front.ask(ListRequests(ticket=steward))).others
        assert waiting == request
        await front.ask(Decide(ticket=steward, request=request.id, approve=True))
        assert (await kernel.fetch(Load(dataset="patients", purpose="study")))[1].num_rows == 2
        await front.ask(Revoke(ticket=steward, request=request.id, note="The study is over."))
        with pytest.raises(RefusedError):
            await kernel.ask(Load(dataset="patients", purpose="study"))
        assert None in front.changes


async def test_the_log_tells_every_step_and_names_people_only_in_the_part_that_can_be_erased(world):
    async with world.desk() as front:
        _, request = await approved(front, note="fine")
        await front.ask(Revoke(ticket=await front.login("tom"), request=request.id, note="over"))
    steps = [
        (Kind.ACCESS_REQUESTED, "ann", "Who comes back?"),
        (Kind.ACCESS_APPROVED, "sue", "fine"),
        (Kind.ACCESS_REVOKED, "tom", "over"),
    ]
    for kind, user, note in steps:
        first, last = entries(world, kind)
        assert (first.header.outcome, last.header.outcome) == ("permitted", "done")
        assert last.header.reference == first.seq
        for entry in (first, last):
            assert (entry.header.request, entry.header.dataset, entry.header.rung) == (request.id, "patients", "raw")
            assert (entry.personal.user, entry.personal.purpose, entry.personal.note) == (user, "study", note)
            assert not {"ann", "sue", "tom"} & set(str(entry.header).replace("'", " ").split())
    assert entries(world, Kind.ACCESS_APPROVED)[0].header.extra == {"days": "7", "rules": "raw-on-request"}


async def test_an_approval_runs_out_at_the_next_request_without_an_entry(world):
    async with world.desk() as front:
        _, request = await approved(front, days=2)
        world.clock.now_ms += DAY + DAY // 2  # a kernel's own grant lasts a day
        kernel = await front.kernel("ann")
        world.clock.now_ms = request.until - 1
        await kernel.fetch(Load(dataset="patients", purpose="study"))
        size = world.vault.audit.head().size
        world.clock.now_ms = request.until
        with pytest.raises(RefusedError):
            await kernel.ask(Load(dataset="patients", purpose="study"))
        assert world.vault.audit.head().size == size + 1
        [mine] = (await front.ask(ListRequests(ticket=await front.login("ann")))).mine
        assert mine.state is RequestState.EXPIRED


async def test_an_approval_is_for_its_purpose_and_its_person(world):
    async with world.desk() as front:
        kernel, _ = await approved(front)
        await front.ask(
            Acknowledge(
                ticket=kernel.ticket,
                purpose="careful",
                digest=next(
                    it.digest
                    for it in (await front.ask(ListRequests(ticket=kernel.ticket))).purposes
                    if it.name == "careful"
                ),
            )
        )
        with pytest.raises(RefusedError, match="approval is for study"):
            await kernel.ask(Load(dataset="patients", purpose="careful"))
        other = await front.kernel("ben")
        with pytest.raises(RefusedError, match="%secure_request"):
            await other.ask(Load(dataset="patients", purpose="study"))


async def test_a_changed_rule_needs_a_new_approval_and_can_be_asked_for_again(world):
    async with world.desk() as front:
        kernel, request = await approved(front)
        world.apply(POLICY.replace('to = ["role:scientist", "role:steward"]', 'to = ["role:scientist"]'))
        with pytest.raises(RefusedError):
            await kernel.ask(Load(dataset="patients", purpose="study"))
        assert request.id in (await front.ask(ListRequests(ticket=kernel.ticket))).stale
        await kernel.ask(WISH)


async def test_a_rule_that_changed_meanwhile_is_not_approved(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        request = (await kernel.ask(WISH)).request
        world.apply(POLICY.replace('to = ["role:scientist", "role:steward"]', 'to = ["role:scientist"]'))
        with pytest.raises(ConflictError, match="has changed"):
            await front.ask(Decide(ticket=await front.login("sue"), request=request.id, approve=True))
        await front.ask(Decide(ticket=await front.login("sue"), request=request.id, approve=False))


async def test_days_are_bounded_when_asking_and_when_approving(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        with pytest.raises(InvalidRequestError, match="at most 30 days"):
            await kernel.ask(AskAccess(dataset="patients", purpose="study", reason="x", days=31))
        request = (await kernel.ask(WISH)).request
        with pytest.raises(InvalidRequestError, match="at most 30 days"):
            await front.ask(Decide(ticket=await front.login("sue"), request=request.id, approve=True, days=31))


@pytest.mark.parametrize("fields", [{"rung": Rung.MASKED}, {"purpose": None}, {"purpose": "unheard-of"}])
async def test_what_cannot_be_asked_for_is_answered_with_what_can(world, fields):
    wish = {"dataset": "patients", "purpose": "study", "reason": "x", "days": 1, **fields}
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        with pytest.raises(InvalidRequestError, match=r"`--as raw` with `--purpose careful or study`"):
            await kernel.ask(AskAccess(**wish))


async def test_a_purpose_with_a_text_is_acknowledged_once_and_again_when_the_text_changes(world):
    load = Load(dataset="patients", purpose="careful")
    wish = AskAccess(dataset="patients", purpose="careful", reason="x", days=3)
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        with pytest.raises(InvalidRequestError, match="acknowledge"):
            await kernel.ask(wish)

        async def offered():
            listed = await front.ask(ListRequests(ticket=kernel.ticket))
            return next(it for it in listed.purposes if it.name == "careful")

        assert (await offered()).acknowledge == "I publish no single person."
        with pytest.raises(ConflictError, match="Read it again"):
            await front.ask(Acknowledge(ticket=kernel.ticket, purpose="careful", digest="0" * 64))
        await front.ask(Acknowledge(ticket=kernel.ticket, purpose="careful", digest=(await offered()).digest))
        assert (await offered()).acknowledged
        request = (await kernel.ask(wish)).request
        await front.ask(Decide(ticket=await front.login("sue"), request=request.id, approve=True))
        await kernel.fetch(load)
        world.apply(POLICY.replace("no single person", "nothing"))
        with pytest.raises(RefusedError, match="acknowledge"):
            await kernel.ask(load)
        await front.ask(Acknowledge(ticket=kernel.ticket, purpose="careful", digest=(await offered()).digest))
        await kernel.fetch(load)
    assert len(entries(world, Kind.PURPOSE_ACKNOWLEDGED)) == 4


async def test_a_purpose_of_others_cannot_be_acknowledged(world):
    async with world.desk() as front:
        for user, purpose in [("olaf", "careful"), ("ann", "study"), ("ann", "never-was")]:
            with pytest.raises(RefusedError, match="no purpose of that name"):
                await front.ask(Acknowledge(ticket=await front.login(user), purpose=purpose, digest="0" * 64))


async def test_the_panel_asks_like_a_kernel(world):
    async with world.desk() as front:
        ticket = await front.login("ann")
        request = (await front.ask(PanelAsk(ticket=ticket, ask=WISH))).request
        listed = await front.ask(ListRequests(ticket=ticket))
        assert listed.mine == (request,)
        [offer] = listed.offers
        assert (offer.dataset, offer.rung, offer.purposes, offer.max_days) == (
            "patients",
            Rung.RAW,
            ("careful", "study"),
            30,
        )


async def test_whoever_does_not_decide_sees_the_own_requests_alone(world):
    async with world.desk() as front:
        await (await front.kernel("ann")).ask(WISH)
        listed = await front.ask(ListRequests(ticket=await front.login("ben")))
        assert (listed.mine, listed.others, listed.decides) == ((), (), False)


async def test_catalog_and_why_tell_what_can_be_asked_for(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        [offer] = (await kernel.ask(Catalog())).offers
        assert offer.rungs == ()
        assert "%secure_request patients" in offer.columns[0].reason
        [miss] = (await kernel.ask(Why(dataset="patients", purpose="study"))).near_misses
        assert miss.condition == "approval"


async def test_requests_are_decided_while_the_vault_is_locked(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        request = (await kernel.ask(WISH)).request
        front.desk.vault.keychain.lock()
        ticket = await front.login("sue")
        assert (await front.ask(Decide(ticket=ticket, request=request.id, approve=True))).request.until


async def test_asking_twice_at_once_keeps_one(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        answers = await asyncio.gather(kernel.ask(WISH), kernel.ask(WISH), return_exceptions=True)
        assert sorted(type(it).__name__ for it in answers) == ["AccessReply", "ConflictError"]
        assert len((await front.ask(ListRequests(ticket=kernel.ticket))).mine) == 1
