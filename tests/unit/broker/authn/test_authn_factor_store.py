"""What the store remembers of second factors, on both kinds of database: counts, recovery codes, challenges."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from jupyter_secure.broker.authn import recovery
from jupyter_secure.broker.authn.attempts import Attempts, change, person
from jupyter_secure.broker.authn.freshness import verified_at
from jupyter_secure.broker.authn.recovery import Recovery
from jupyter_secure.broker.challenges import LIFETIME, MOST, Challenges, Request
from jupyter_secure.broker.store import database
from jupyter_secure.protocol.canonical import digest
from jupyter_secure.protocol.errors import SecondFactorError
from jupyter_secure.testing.world import Clock

REQUEST = Request(dataset="patients", rung=None, columns=None, purpose=None, policy="p", grant="g")


@pytest.fixture
def engine(store_engine):
    return store_engine


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def challenges(engine, clock):
    return Challenges(engine, clock)


def ask(challenges, request=REQUEST, user="sam"):
    return challenges.for_request(user, request, {"dataset": request.dataset}, "entry")


def prove(engine, challenges, challenge, proof=7):
    with database.transaction(engine) as connection:
        challenges.prove(connection, challenge.id, proof)


def test_attempts_made_at_once_are_all_counted(engine, clock):
    attempts = Attempts(engine, clock)

    def attempt(_):
        try:
            return attempts.count("sam")
        except SecondFactorError:
            return None

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(attempt, range(20)))
    assert sorted(result for result in results if result is not None) == [False] * 4 + [True]


def test_the_wait_doubles_up_to_a_day_and_a_right_proof_ends_it(engine, clock):
    attempts = Attempts(engine, clock)
    waits = []
    for _ in range(11):
        while not attempts.count("sam"):
            pass
        with database.transaction(engine) as connection:
            waits.append((person(connection, "sam")["until"] - clock()) // 60_000)
        clock.pass_time(waits[-1] * 60)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]
    with database.transaction(engine) as connection:
        Attempts.clear(connection, "sam")
    assert not attempts.count("sam")


def test_one_person_s_wrong_codes_hold_up_nobody_else(engine, clock):
    attempts = Attempts(engine, clock)
    for _ in range(5):
        attempts.count("sam")
    assert not attempts.count("eli")


def test_a_recovery_code_used_by_two_at_once_is_good_for_one(engine, clock):
    shown, hashes = recovery.new_codes()
    with database.transaction(engine) as connection:
        recovery.replace(connection, "sam", hashes)
    kept = Recovery(engine, clock)
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: kept.use("sam", shown[2]), range(4))) == [False, False, False, True]
    assert kept.left("sam") == 9
    assert not kept.use("eli", shown[3])
    for junk in ("", "-", "9", "x-AAAA", "3-" + "A" * 1000):
        assert not kept.use("sam", junk)


def test_the_challenge_is_about_request_and_nonce(challenges):
    challenge = ask(challenges)
    assert challenge.request == digest(REQUEST)
    assert challenge.digest == digest({"request": challenge.request, "nonce": challenge.id})


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "payroll"},
        {"rung": "raw"},
        {"columns": ("a",)},
        {"purpose": "study"},
        {"policy": "another"},
        {"grant": "another"},
    ],
)
def test_any_other_request_has_another_challenge_and_no_approval(engine, challenges, change):
    other = Request(**{name: getattr(REQUEST, name) for name in REQUEST.__struct_fields__} | change)
    challenge = ask(challenges)
    assert ask(challenges).id == challenge.id
    assert ask(challenges, other).digest != challenge.digest
    prove(engine, challenges, challenge)
    assert challenges.approval("sam", other) is None
    assert challenges.approval("eli", REQUEST) is None
    assert challenges.approval("sam", REQUEST) == 7
    assert challenges.approval("sam", REQUEST) is None


def test_of_two_loads_at_once_one_is_the_approved_one(engine, challenges):
    prove(engine, challenges, ask(challenges))
    with ThreadPoolExecutor(4) as pool:
        proofs = list(pool.map(lambda _: challenges.approval("sam", REQUEST), range(4)))
    assert sorted(proof for proof in proofs if proof is not None) == [7]


def test_a_challenge_is_proved_once_and_ends(engine, challenges, clock):
    challenge = ask(challenges)
    prove(engine, challenges, challenge)
    with pytest.raises(SecondFactorError):
        prove(engine, challenges, challenge)
    clock.pass_time(LIFETIME / 1000)
    assert challenges.approval("sam", REQUEST) is None
    with pytest.raises(SecondFactorError):
        challenges.find("sam", challenge.id)


def test_a_permission_is_spent_once(engine, challenges):
    permission = challenges.make("sam", "manage")
    with pytest.raises(SecondFactorError):
        challenges.spend("sam", permission.id, "manage", proved=True)
    prove(engine, challenges, permission)
    for user, use in (("eli", "manage"), ("sam", "passkey")):
        with pytest.raises(SecondFactorError):
            challenges.spend(user, permission.id, use, proved=True)
    challenges.spend("sam", permission.id, "manage", proved=True)
    with pytest.raises(SecondFactorError):
        challenges.spend("sam", permission.id, "manage", proved=True)


def test_one_person_s_challenges_are_bounded_and_push_out_nobody_else_s(challenges):
    other = challenges.make("eli", "verify")
    for _ in range(MOST + 5):
        newest = challenges.make("sam", "verify")
    assert challenges.find("sam", newest.id) == newest
    assert challenges.find("eli", other.id) == other


def test_freshness_is_in_seconds_and_nobody_s_to_begin_with(engine):
    with database.transaction(engine) as connection:
        assert verified_at(connection, "sam") is None
        person(connection, "sam")
        assert verified_at(connection, "sam") is None
        change(connection, "sam", verified=1_790_000_000)
        assert verified_at(connection, "sam") == 1_790_000_000
