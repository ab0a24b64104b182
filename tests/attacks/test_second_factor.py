"""What cannot be done to a second factor, by whoever has the password, the kernel or a stolen code."""

import asyncio
import json

import msgspec
import pyarrow as pa
import pytest

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import InvalidRequestError, RefusedError, SecondFactorError, StepUpError
from jupyter_secure.protocol.messages import (
    Load,
    MfaAddPasskey,
    MfaChallenge,
    MfaConfirm,
    MfaEnrol,
    MfaKeepPasskey,
    MfaPasskeyOptions,
    MfaRecoveryCodes,
    MfaRemove,
    MfaReset,
    MfaState,
    MfaVerify,
    StepUp,
    ToRelay,
)
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.device import PRESENT, App, Authenticator
from jupyter_secure.testing.world import World

POLICY = """
[dataset.patients]

[[rule]]
id = "stewards-verify"
to = ["role:steward"]
datasets = ["patients"]
view = "raw"
when = { mfa_max_age = "5m" }
"""
LOAD = Load(dataset="patients")


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as made:
        made.person("stella", "steward")
        made.person("otto", "steward")
        made.person("sam", "scientist")
        made.seal(pa.table({"cost": [1, 2], "age": [3, 4]}), tags={"cost": Tag.MEASURE, "age": Tag.MEASURE})
        made.apply(POLICY)
        yield made
        made.verify()


class Person:
    """Somebody with a kernel, an app and recovery codes."""

    def __init__(self, front, world, kernel):
        self.front, self.world, self.kernel, self.ticket = front, world, kernel, kernel.ticket

    @classmethod
    async def come(cls, front, world, name):
        person = cls(front, world, await front.kernel(name))
        secret = await front.ask(MfaEnrol(ticket=person.ticket))
        person.app = App(secret.secret)
        state = await front.ask(MfaConfirm(ticket=person.ticket, code=person.code()))
        person.recovery = state.recovery
        world.clock.pass_time(30)
        return person

    def code(self, steps=0):
        return self.app.code(self.world.clock(), steps)

    async def ask(self, message, **fields):
        return await self.front.ask(message(ticket=self.ticket, **fields))

    async def verify(self, challenge, **proof):
        return await self.ask(MfaVerify, challenge=challenge, **proof)

    async def challenge(self, use="manage"):
        return (await self.ask(MfaChallenge, use=use)).challenge

    async def permission(self):
        """A proved challenge that permits one change."""
        challenge = await self.challenge()
        await self.verify(challenge, code=self.code())
        self.world.clock.pass_time(30)
        return challenge

    async def step_up(self, wish=LOAD, kernel=None):
        with pytest.raises(StepUpError) as caught:
            await (kernel or self.kernel).fetch(wish)
        return caught.value.challenge

    async def passkey(self, permission=None):
        device = Authenticator()
        begun = await self.ask(MfaAddPasskey, challenge=permission)
        answer = device.create(begun.options)
        await self.ask(MfaKeepPasskey, challenge=begun.challenge, assertion=answer, label="telephone")
        return device


@pytest.fixture
async def front(world):
    async with world.desk() as opened:
        yield opened


@pytest.fixture
async def stella(front, world):
    return await Person.come(front, world, "stella")


def kinds(front, kind):
    return front.desk.vault.audit.entries(kinds=(kind,))


async def refused(awaitable, error=SecondFactorError):
    with pytest.raises(error) as caught:
        await awaitable
    return caught.value


async def test_a_code_is_not_accepted_twice(stella, front):
    code = stella.code()
    await stella.verify(await stella.challenge(), code=code)
    await refused(stella.verify(await stella.challenge(), code=code))
    await refused(stella.verify(await stella.challenge(), code=stella.code(-1)))
    assert [entry.header.extra["method"] for entry in kinds(front, Kind.MFA_FAILED)] == ["totp", "totp"]


async def test_one_code_typed_twice_at_once_is_accepted_once(stella):
    code = stella.code()
    challenges = [await stella.challenge() for _ in range(4)]
    tried = await asyncio.gather(*(stella.verify(it, code=code) for it in challenges), return_exceptions=True)
    assert sum(not isinstance(result, Exception) for result in tried) == 1


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_a_clock_may_be_wrong_by_one_step(world, stella, steps, good):
    world.clock.pass_time(300)
    asked = stella.verify(await stella.challenge(), code=stella.code(steps))
    if good:
        assert (await asked).mfa_at
    else:
        await refused(asked)


async def test_a_clock_that_goes_back_makes_no_code_good_again_and_no_proof_fresh(world, stella):
    code = stella.code()
    await stella.verify(await stella.step_up(), code=code)
    world.clock.pass_time(-60)
    await stella.step_up()
    world.clock.pass_time(60)
    await refused(stella.verify(await stella.challenge(), code=code))


async def test_guessing_is_stopped_for_longer_each_time_and_logged(front, world, stella):
    challenge = await stella.challenge()
    for _ in range(5):
        await refused(stella.verify(challenge, code="000000"))
    error = await refused(stella.verify(challenge, code=stella.code()))
    assert "5 min" in error.public
    assert (await stella.ask(MfaState)).locked_until
    world.clock.pass_time(300)
    challenge = await stella.challenge()
    for _ in range(5):
        await refused(stella.verify(challenge, code="000000"))
    assert "10 min" in (await refused(stella.verify(challenge, code=stella.code()))).public
    assert len(kinds(front, Kind.MFA_LOCKED)) == 2
    assert len(kinds(front, Kind.MFA_FAILED)) == 12
    world.clock.pass_time(600)
    assert (await stella.verify(await stella.challenge(), code=stella.code())).locked_until is None


async def test_guesses_in_the_cell_and_with_recovery_codes_share_the_count(stella):
    challenge = await stella.step_up()
    for _ in range(3):
        await refused(stella.kernel.ask(StepUp(challenge=challenge, code="000000")))
    for _ in range(2):
        await refused(stella.verify(challenge, code="0-AAAA-AAAA-AAAA-AAAA"))
    assert "Too many" in (await refused(stella.verify(challenge, code=stella.recovery[0]))).public


async def test_a_restart_forgets_no_wrong_code(world):
    async with world.desk() as front:
        stella = await Person.come(front, world, "stella")
        for _ in range(5):
            await refused(stella.verify(await stella.challenge(), code="000000"))
    async with world.desk() as front:
        stella.front = front
        assert "Too many" in (await refused(stella.verify(await stella.challenge(), code=stella.code()))).public


async def test_a_recovery_code_is_good_once(stella):
    assert len(stella.recovery) == len(set(stella.recovery)) == 10
    state = await stella.verify(await stella.challenge(), code=stella.recovery[3].lower())
    assert state.recovery_left == 9
    await refused(stella.verify(await stella.challenge(), code=stella.recovery[3]))
    await stella.verify(await stella.challenge(), code=stella.recovery[4])


async def test_new_recovery_codes_end_the_old_ones(stella):
    state = await stella.ask(MfaRecoveryCodes, challenge=await stella.permission())
    assert state.recovery_left == 10
    await refused(stella.verify(await stella.challenge(), code=stella.recovery[0]))
    await stella.verify(await stella.challenge(), code=state.recovery[0])


async def test_codes_and_secrets_stand_nowhere_in_the_vault(world, stella):
    await stella.verify(await stella.challenge(), code=stella.recovery[0])
    stored = b"".join(path.read_bytes() for path in world.path.rglob("*") if path.is_file())
    for secret in (*stella.recovery, *(code.replace("-", "")[1:] for code in stella.recovery)):
        assert secret.encode() not in stored
    assert stella.app._totp.byte_secret() not in stored
    assert stella.app._totp.secret.encode() not in stored


async def test_a_proof_of_one_request_is_no_approval_of_another(front, stella):
    one = await stella.step_up()
    await stella.step_up(Load(dataset="patients", columns=("age",)))
    await stella.verify(one, code=stella.code())
    await stella.kernel.fetch(Load(dataset="patients", columns=("age",)))
    assert kinds(front, Kind.LOAD_DECIDED)[0].header.extra == {}
    await stella.kernel.fetch(LOAD)
    assert "proof" in kinds(front, Kind.LOAD_DECIDED)[0].header.extra


async def test_a_challenge_of_another_kernel_or_person_is_nothing(front, world, stella):
    otto = await Person.come(front, world, "otto")
    challenge = await stella.step_up()
    second = await front.kernel("stella")
    for kernel in (second, otto.kernel):
        await refused(kernel.ask(StepUp(challenge=challenge)))
        await refused(kernel.ask(StepUp(challenge=challenge, code=stella.code())))
    await refused(otto.verify(challenge, code=otto.code()))
    await refused(otto.ask(MfaPasskeyOptions, challenge=challenge))
    assert (await otto.ask(MfaState)).pending == ()


async def test_a_kernel_forwards_codes_for_its_own_request_alone(stella):
    for use in ("manage", "verify"):
        challenge = await stella.challenge(use)
        await refused(stella.kernel.ask(StepUp(challenge=challenge, code=stella.code())))


def test_a_kernel_can_neither_claim_a_proof_nor_send_a_recovery_code_nor_a_message_of_the_sidebar():
    challenge = "0" * 32
    for body in (
        {"type": "StepUp", "challenge": challenge, "verified": True},
        {"type": "StepUp", "challenge": challenge, "code": "0-AAAA-AAAA-AAAA-AAAA"},
        {"type": "Load", "dataset": "patients", "mfa_at": 1},
        {"type": "MfaVerify", "ticket": "", "challenge": challenge, "code": "000000"},
        {"type": "MfaReset", "ticket": "", "user": "stella"},
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps({"id": 1, "body": body}), type=ToRelay)


async def test_nobody_resets_the_own_factors_and_no_scientist_anybodys(front, world, stella):
    assert "own" in (await refused(stella.ask(MfaReset, user="stella"), InvalidRequestError)).public
    sam = await Person.come(front, world, "sam")
    await refused(sam.ask(MfaReset, user="stella"), RefusedError)
    assert (await stella.ask(MfaState)).totp
    assert kinds(front, Kind.MFA_RESET) == ()


async def test_a_steward_proves_the_own_factor_before_a_reset(front, world, stella):
    otto = await Person.come(front, world, "otto")
    await refused(otto.ask(MfaReset, user="stella"))
    await stella.verify(await stella.step_up(), code=stella.code())
    await otto.ask(MfaReset, user="stella", challenge=await otto.permission())
    state = await stella.ask(MfaState)
    assert (state.totp, state.recovery_left, state.mfa_at) == (False, 0, None)
    [entry] = kinds(front, Kind.MFA_RESET)
    assert (entry.personal.user, entry.personal.note) == ("stella", "by otto")
    await stella.step_up()


@pytest.mark.parametrize("permission", [None, "unproved", "another use", "another person's", "used up"])
async def test_no_factor_is_added_or_removed_without_proving_one(front, world, stella, permission):
    challenge = None
    if permission == "unproved":
        challenge = await stella.challenge()
    elif permission == "another use":
        challenge = await stella.challenge("verify")
        await stella.verify(challenge, code=stella.code())
    elif permission == "another person's":
        challenge = await (await Person.come(front, world, "otto")).permission()
    elif permission == "used up":
        challenge = await stella.permission()
        await stella.ask(MfaRecoveryCodes, challenge=challenge)
    await refused(stella.ask(MfaEnrol, challenge=challenge))
    await refused(stella.ask(MfaAddPasskey, challenge=challenge))
    if challenge is not None:
        await refused(stella.ask(MfaRemove, challenge=challenge, factor="totp"))
        await refused(stella.ask(MfaRecoveryCodes, challenge=challenge))
    assert (await stella.ask(MfaState)).totp


async def test_what_was_begun_before_another_factor_came_is_void(front, world):
    thief = Person(front, world, await front.kernel("stella"))
    owner = Person(front, world, await front.kernel("stella"))
    begun = await thief.ask(MfaAddPasskey)
    drafted = await thief.ask(MfaEnrol)
    await owner.passkey()
    device = Authenticator()
    await refused(
        thief.ask(MfaKeepPasskey, challenge=begun.challenge, assertion=device.create(begun.options), label="mine")
    )
    await refused(thief.ask(MfaConfirm, code=App(drafted.secret).code(world.clock())))
    assert len((await owner.ask(MfaState)).passkeys) == 1


async def test_the_last_factor_takes_codes_and_freshness_along(stella):
    state = await stella.ask(MfaRemove, challenge=await stella.permission(), factor="totp")
    assert (state.totp, state.recovery_left, state.mfa_at) == (False, 0, None)
    await refused(stella.verify(await stella.challenge(), code=stella.code()))
    await stella.step_up()


async def test_a_passkey_proves_one_challenge_once(world, stella):
    device = await stella.passkey(await stella.permission())
    world.clock.pass_time(301)
    challenge = await stella.step_up()
    options = await stella.ask(MfaPasskeyOptions, challenge=challenge)
    answer = device.get(options.options)
    await refused(stella.verify(await stella.challenge(), assertion=answer))
    await stella.verify(challenge, assertion=answer)
    await refused(stella.verify(challenge, assertion=answer))
    assert (await stella.kernel.fetch(LOAD))[1].num_rows == 2


@pytest.mark.parametrize("lie", ["not verified", "another origin", "an address", "old counter", "junk", "another key"])
async def test_a_passkey_that_lies_proves_nothing(stella, lie):
    device = await stella.passkey(await stella.permission())
    first = await stella.ask(MfaChallenge, use="verify")
    await stella.verify(first.challenge, assertion=device.get(first.options))
    asked = await stella.ask(MfaChallenge, use="verify")
    if lie == "not verified":
        device.flags = PRESENT
    elif lie == "another origin":
        device.origin = "http://localhost.example.org"
    elif lie == "an address":
        device.origin = "http://127.0.0.1:8888"
    elif lie == "old counter":
        device.counter = 0
    elif lie == "another key":
        other = Authenticator()
        other.id = device.id
        device = other
        device.counter = 9
    answer = "[]" if lie == "junk" else device.get(asked.options)
    await refused(stella.verify(asked.challenge, assertion=answer))


async def test_a_passkey_of_somebody_else_proves_nothing(front, world, stella):
    otto = Person(front, world, await front.kernel("otto"))
    device = await otto.passkey()
    await stella.passkey(await stella.permission())
    asked = await stella.ask(MfaChallenge, use="verify")
    await refused(stella.verify(asked.challenge, assertion=device.get(asked.options)))


async def test_a_device_that_did_not_verify_the_person_is_not_enrolled(front, world):
    stella = Person(front, world, await front.kernel("stella"))
    begun = await stella.ask(MfaAddPasskey)
    device = Authenticator()
    device.flags = PRESENT
    await refused(stella.ask(MfaKeepPasskey, challenge=begun.challenge, assertion=device.create(begun.options)))
    assert (await stella.ask(MfaState)).passkeys == ()


async def test_a_challenge_for_a_new_passkey_is_proved_by_nothing_else(front, world, stella):
    begun = await stella.ask(MfaAddPasskey, challenge=await stella.permission())
    await refused(stella.verify(begun.challenge, code=stella.code()))
