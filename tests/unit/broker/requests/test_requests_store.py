"""Requests and acknowledgements in a real database."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from jupyter_secure.broker.requests.state import decide, revoke
from jupyter_secure.broker.requests.store import MOST, Requests, new_id
from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.tables.requests import REQUESTS
from jupyter_secure.protocol.access import DAY, AccessRequest, RequestState
from jupyter_secure.protocol.errors import ConflictError, RefusedError
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung

NOW = 1_800_000_000_000
STEWARD = Principal(name="sue", display_name="Sue", roles=("steward",))
OTHER = Principal(name="olaf", display_name="Olaf", roles=("officer",))
ANN = Principal(name="ann", display_name="Ann", roles=("scientist",))


@pytest.fixture
def clock():
    return [NOW]


@pytest.fixture
def engine(store_engine):
    return store_engine


@pytest.fixture
def requests(engine, clock):
    return Requests(engine, lambda: clock[0])


def request(**fields):
    whole = {
        "id": new_id(),
        "user": "ann",
        "dataset": "patients",
        "rung": Rung.RAW,
        "purpose": "study",
        "rules": {"raw": "0" * 64},
        "reason": "readmissions",
        "days": 7,
        "asked": NOW,
        **fields,
    }
    return AccessRequest(**whole)


def test_a_request_comes_back_as_it_was_kept(requests):
    asked = request(purpose=None)
    requests.add(asked)
    assert requests.get(asked.id) == asked
    approved = decide(asked, STEWARD, NOW, approve=True, note="for the study")
    requests.replace(asked, approved)
    assert requests.get(asked.id) == approved


def test_an_unknown_number_is_refused(requests):
    with pytest.raises(RefusedError, match="no request of that number"):
        requests.get("f" * 32)


def test_of_two_deciders_the_first_wins(requests):
    asked = request()
    requests.add(asked)
    first = decide(asked, STEWARD, NOW, approve=True)
    second = decide(asked, OTHER, NOW, approve=False)
    requests.replace(asked, first)
    with pytest.raises(ConflictError, match="quicker"):
        requests.replace(asked, second)
    assert requests.get(asked.id) == first


def test_the_same_is_asked_once_while_it_is_open_or_runs(requests, clock):
    asked = request()
    requests.add(asked)
    with pytest.raises(ConflictError, match="already"):
        requests.add(request())
    requests.add(request(rung=Rung.MASKED))
    requests.add(request(purpose="other"))
    requests.add(request(rules={"raw": "1" * 64}))
    requests.add(request(user="ben"))
    requests.replace(asked, decide(asked, STEWARD, NOW, approve=True))
    with pytest.raises(ConflictError, match="already"):
        requests.add(request())
    clock[0] += 7 * DAY
    requests.add(request())


def test_a_person_has_few_open_requests(requests):
    for place in range(MOST):
        requests.add(request(dataset=f"d{place}"))
    with pytest.raises(ConflictError, match="open requests"):
        requests.add(request())
    requests.add(request(user="ben"))


def test_only_running_approvals_of_the_person_stand(requests, clock):
    states = [request(dataset=f"d{place}") for place in range(4)]
    for it in states:
        requests.add(it)
    approved = decide(states[0], STEWARD, NOW, approve=True)
    requests.replace(states[0], approved)
    requests.replace(states[1], decide(states[1], STEWARD, NOW, approve=False))
    ended = decide(states[2], STEWARD, NOW, approve=True)
    requests.replace(states[2], ended)
    requests.replace(ended, revoke(ended, OTHER, NOW))
    assert requests.standing("ann") == ((approved,), {})
    assert requests.standing("ben") == ((), {})
    clock[0] = approved.until
    assert requests.standing("ann") == ((), {})
    assert requests.get(approved.id).state is RequestState.EXPIRED


def test_open_requests_are_listed_before_all_others(requests):
    done, old, new = request(asked=NOW + 5), request(dataset="old", asked=NOW), request(dataset="new", asked=NOW + 1)
    for it in (done, old, new):
        requests.add(it)
    requests.replace(done, decide(done, STEWARD, NOW, approve=False))
    assert [it.id for it in requests.list()] == [new.id, old.id, done.id]
    assert requests.list("ben") == ()


def test_an_acknowledgement_takes_the_place_of_an_earlier_one(requests):
    requests.acknowledge("ann", "study", "1" * 64)
    requests.acknowledge("ann", "study", "1" * 64)
    requests.acknowledge("ann", "study", "2" * 64)
    requests.acknowledge("ben", "study", "1" * 64)
    assert requests.standing("ann")[1] == {"study": "2" * 64}


def test_of_many_deciders_at_once_one_wins(requests):
    asked = request()
    requests.add(asked)
    together = threading.Barrier(8)

    def decided(place):
        by = Principal(name=f"s{place}", display_name="", roles=("steward",))
        together.wait()
        try:
            requests.replace(asked, decide(asked, by, NOW, approve=place % 2 == 0))
        except ConflictError:
            return None
        return by.name

    with ThreadPoolExecutor(8) as pool:
        won = [name for name in pool.map(decided, range(8)) if name]
    assert won == [requests.get(asked.id).decided_by]


def test_the_same_asked_many_times_at_once_is_kept_once(requests):
    together = threading.Barrier(8)

    def ask(_):
        together.wait()
        try:
            requests.add(request())
        except ConflictError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 1
    assert len(requests.list()) == 1


def test_the_database_itself_refuses_a_row_that_somebody_decided_for_himself(requests, engine):
    asked = request()
    requests.add(asked)
    with pytest.raises(IntegrityError), database.transaction(engine) as connection:
        connection.execute(update(REQUESTS).values(decided_by="ann"))
    with pytest.raises(IntegrityError):
        requests.replace(asked, replace(asked, state=RequestState.APPROVED, decided_by="ann"))
