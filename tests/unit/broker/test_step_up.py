"""A request that wants a fresh second factor: what it waits for, what proves it, and what the log says of it."""

import pyarrow as pa
import pytest

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import RefusedError, SecondFactorError, StepUpError
from jupyter_secure.protocol.messages import (
    Delivery,
    Load,
    MfaChallenge,
    MfaConfirm,
    MfaEnrol,
    MfaState,
    MfaVerify,
    Query,
    StepUp,
    WhoAmI,
)
from jupyter_secure.protocol.record import Kind
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.device import App
from jupyter_secure.testing.world import World

POLICY = """
[dataset.patients]
privacy_unit = "patient_id"
bounds = { cost = [0, 100] }

[dataset.patients.budget]
epsilon = "3.0"

[purpose.study]
title = "A study"

[[rule]]
id = "stewards-verify"
to = ["role:steward"]
datasets = ["patients"]
view = "raw"
when = { mfa_max_age = "5m" }

[[rule]]
id = "engineers-verify-and-say-why"
to = ["role:engineer"]
datasets = ["patients"]
view = "raw"
when = { mfa_max_age = "5m", purpose = ["study"] }

[[rule]]
id = "scientists-verify-to-ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"
when = { mfa_max_age = "5m" }
"""


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as made:
        made.person("stella", "steward")
        made.person("eli", "engineer")
        made.person("sam", "scientist")
        table = pa.table({"patient_id": ["a", "b"], "cost": [1, 2]})
        made.seal(table, tags={"patient_id": Tag.DIRECT, "cost": Tag.MEASURE})
        made.apply(POLICY)
        yield made
        made.verify()


async def enrolled(front, world, ticket):
    secret = await front.ask(MfaEnrol(ticket=ticket))
    app = App(secret.secret)
    state = await front.ask(MfaConfirm(ticket=ticket, code=app.code(world.clock())))
    world.clock.pass_time(30)
    return app, state


async def refused(kernel, wish):
    with pytest.raises(StepUpError) as caught:
        await kernel.fetch(wish)
    return caught.value


LOAD = Load(dataset="patients")


async def test_a_load_is_permitted_after_a_proof_in_the_sidebar(world):
    async with world.desk() as front:
        kernel = await front.kernel("stella")
        app, _ = await enrolled(front, world, kernel.ticket)
        error = await refused(kernel, LOAD)
        assert "`patients` as raw" in error.public
        assert "5 minutes" in error.public
        [pending] = (await front.ask(MfaState(ticket=kernel.ticket))).pending
        assert pending.challenge == error.challenge
        assert (pending.dataset, pending.rung, pending.columns, pending.notebook) == (
            "patients",
            Rung.RAW,
            None,
            "study.ipynb",
        )
        code = app.code(world.clock())
        state = await front.ask(MfaVerify(ticket=kernel.ticket, challenge=error.challenge, code=code))
        assert state.mfa_at == world.clock() // 1000
        assert state.pending == ()
        assert (await front.ask(WhoAmI(ticket=kernel.ticket))).principal.mfa_at == state.mfa_at
        message, table = await kernel.fetch(LOAD)
        assert isinstance(message, Delivery)
        assert table.num_rows == 2


async def test_the_log_joins_refusal_proof_and_permission(world):
    async with world.desk() as front:
        kernel = await front.kernel("stella")
        app, _ = await enrolled(front, world, kernel.ticket)
        error = await refused(kernel, LOAD)
        code = app.code(world.clock())
        await kernel.ask(StepUp(challenge=error.challenge, code=code))
        await kernel.fetch(LOAD)
        await kernel.fetch(LOAD)
        audit = front.desk.vault.audit
        again, permitted, declined = audit.entries(kinds=(Kind.LOAD_DECIDED,))
        [proof] = audit.entries(kinds=(Kind.MFA_VERIFIED,))
        assert (declined.header.outcome, declined.header.error) == ("refused", "step_up")
        assert proof.header.extra == {"method": "totp", "challenge": declined.header.extra["challenge"]}
        assert proof.header.request == declined.header.request
        assert proof.personal.user == "stella"
        assert permitted.header.extra == {"proof": str(proof.seq)}
        assert again.header.extra == {}, "a proof approves one request; the next rests on its freshness"
        shown = repr(audit.entries(limit=None))
        assert code not in shown


async def test_freshness_is_counted_in_seconds(world):
    async with world.desk() as front:
        kernel = await front.kernel("stella")
        app, _ = await enrolled(front, world, kernel.ticket)
        error = await refused(kernel, LOAD)
        await front.ask(MfaVerify(ticket=kernel.ticket, challenge=error.challenge, code=app.code(world.clock())))
        world.clock.pass_time(300)
        await kernel.fetch(LOAD)
        world.clock.pass_time(1)
        await refused(kernel, LOAD)


async def test_a_proof_for_its_own_sake_is_fresh_too(world):
    async with world.desk() as front:
        kernel = await front.kernel("stella")
        app, _ = await enrolled(front, world, kernel.ticket)
        options = await front.ask(MfaChallenge(ticket=kernel.ticket, use="verify"))
        await front.ask(MfaVerify(ticket=kernel.ticket, challenge=options.challenge, code=app.code(world.clock())))
        assert (await kernel.fetch(LOAD))[1].num_rows == 2


async def test_a_question_steps_up_like_a_load(world):
    async with world.desk() as front:
        kernel = await front.kernel("sam")
        app, _ = await enrolled(front, world, kernel.ticket)
        question = '{"v": 1, "dataset": "patients", "aggs": [{"op": "count"}]}'
        error = await refused(kernel, Query(question=question, preview=True))
        assert (await kernel.ask(StepUp(challenge=error.challenge, code=app.code(world.clock())))).verified
        assert (await kernel.ask(Query(question=question, preview=True))).cost == "0.1"


async def test_a_second_factor_is_asked_for_only_where_it_alone_is_missing(world):
    async with world.desk() as front:
        kernel = await front.kernel("eli")
        with pytest.raises(RefusedError) as caught:
            await kernel.fetch(LOAD)
        assert not isinstance(caught.value, StepUpError)
        await refused(kernel, Load(dataset="patients", purpose="study"))
        assert len((await front.ask(MfaState(ticket=kernel.ticket))).pending) == 1


async def test_asking_the_same_again_waits_for_the_same_proof(world):
    async with world.desk() as front:
        kernel = await front.kernel("stella")
        first, again = await refused(kernel, LOAD), await refused(kernel, LOAD)
        other = await refused(kernel, Load(dataset="patients", columns=("cost",)))
        assert first.challenge == again.challenge != other.challenge


async def test_a_challenge_ends_after_five_minutes(world):
    async with world.desk() as front:
        kernel = await front.kernel("stella")
        app, _ = await enrolled(front, world, kernel.ticket)
        error = await refused(kernel, LOAD)
        world.clock.pass_time(300)
        assert (await front.ask(MfaState(ticket=kernel.ticket))).pending == ()
        with pytest.raises(SecondFactorError):
            await kernel.ask(StepUp(challenge=error.challenge, code=app.code(world.clock())))


async def test_a_kernel_that_asks_learns_whether_it_is_proved_and_disturbs_nobody(world):
    async with world.desk() as front:
        kernel = await front.kernel("stella")
        app, _ = await enrolled(front, world, kernel.ticket)
        error = await refused(kernel, LOAD)
        front.changes.clear()
        assert not (await kernel.ask(StepUp(challenge=error.challenge))).verified
        assert front.changes == []
        await front.ask(MfaVerify(ticket=kernel.ticket, challenge=error.challenge, code=app.code(world.clock())))
        assert front.changes == [None]
        assert (await kernel.ask(StepUp(challenge=error.challenge))).verified


async def test_waiting_requests_are_bounded(world):
    async with world.desk() as front:
        kernel = await front.kernel("eli")
        for number in range(25):
            wish = Load(dataset="patients", purpose="study", columns=("cost",) * (number + 1))
            newest = await refused(kernel, wish)
        pending = (await front.ask(MfaState(ticket=kernel.ticket))).pending
        assert len(pending) == 20
        assert newest.challenge in {item.challenge for item in pending}
