"""Tickets, the login that mints them and its limiter."""

import pytest
from sqlalchemy import select

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.authn.limiter import FREE, LONGEST, NAMES, Limiter
from jupyter_secure.broker.authn.login import Login
from jupyter_secure.broker.authn.passwords import Cost
from jupyter_secure.broker.authn.tickets import LIFETIME, Tickets
from jupyter_secure.broker.store.tables.accounts import TICKETS
from jupyter_secure.protocol.errors import UnauthenticatedError

CHEAP = Cost(memory=64, passes=1, lanes=1)
PASSWORD = "correct horse battery"


class Clock:
    def __init__(self):
        self.time = 1_000_000

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def engine(store_engine):
    return store_engine


@pytest.fixture
def accounts(engine, clock):
    accounts = Accounts(engine, clock, CHEAP)
    accounts.add("ann", PASSWORD, ["engineer"])
    return accounts


@pytest.fixture
def tickets(engine, clock, accounts):
    return Tickets(engine, clock)


def test_a_ticket_says_who_is_asking(tickets):
    ticket, expires = tickets.mint("ann")
    session = tickets.whoami(ticket)
    assert (session.principal.name, session.expires_at, session.ticket) == ("ann", expires, "")


def test_a_ticket_has_256_random_bits_and_is_stored_hashed(tickets, engine):
    ticket, _ = tickets.mint("ann")
    other, _ = tickets.mint("ann")
    assert len(ticket) == 43
    assert ticket != other
    with engine.connect() as connection:
        stored = connection.execute(select(TICKETS.c.ticket)).scalars().all()
    assert ticket not in stored
    with pytest.raises(UnauthenticatedError):
        tickets.whoami(stored[0])


def test_roles_are_those_of_now(tickets, accounts):
    ticket, _ = tickets.mint("ann")
    accounts.set_roles("ann", [])
    assert tickets.whoami(ticket).principal.roles == ()


def test_a_ticket_ends_after_twelve_hours(tickets, clock):
    ticket, _ = tickets.mint("ann")
    clock.time += LIFETIME - 1
    tickets.whoami(ticket)
    clock.time += 1
    with pytest.raises(UnauthenticatedError):
        tickets.whoami(ticket)


def test_a_disabled_account_ends_its_tickets_at_once(tickets, accounts):
    ticket, _ = tickets.mint("ann")
    accounts.disable("ann")
    with pytest.raises(UnauthenticatedError):
        tickets.whoami(ticket)
    with pytest.raises(UnauthenticatedError):
        tickets.mint("ann")


def test_a_new_password_ends_the_tickets_of_the_old_one(tickets, accounts):
    ticket, _ = tickets.mint("ann")
    accounts.set_password("ann", "another password entirely")
    with pytest.raises(UnauthenticatedError):
        tickets.whoami(ticket)


def test_logout_ends_one_ticket_and_no_other(tickets):
    first, _ = tickets.mint("ann")
    second, _ = tickets.mint("ann")
    tickets.logout(first)
    tickets.logout("unknown")
    with pytest.raises(UnauthenticatedError):
        tickets.whoami(first)
    assert tickets.whoami(second).principal.name == "ann"


def test_expired_tickets_are_swept_out(tickets, engine, clock):
    tickets.mint("ann")
    clock.time += LIFETIME
    tickets.mint("ann")
    with engine.connect() as connection:
        assert len(connection.execute(select(TICKETS)).all()) == 1


@pytest.mark.parametrize("ticket", ["", "x", "\ud800", "a" * 5000])
def test_nonsense_is_nobody(tickets, ticket):
    with pytest.raises(UnauthenticatedError):
        tickets.whoami(ticket)


def test_a_login_gives_a_ticket(engine, clock, accounts, tickets):
    session = Login(engine, clock, accounts).login("ann", PASSWORD)
    assert tickets.whoami(session.ticket).principal == session.principal


def test_even_the_right_password_waits_after_too_many_wrong_ones(engine, clock, accounts):
    login = Login(engine, clock, accounts)
    for _ in range(FREE):
        with pytest.raises(UnauthenticatedError, match="belong together"):
            login.login("ann", "not the password")
    with pytest.raises(UnauthenticatedError, match="Try again in 2 seconds"):
        login.login("ann", PASSWORD)
    clock.time += 2_000
    assert login.login("ann", PASSWORD).principal.name == "ann"


def test_a_right_password_clears_the_count(engine, clock, accounts):
    login = Login(engine, clock, accounts)
    for _ in range(3):
        for _ in range(FREE - 1):
            with pytest.raises(UnauthenticatedError, match="belong together"):
                login.login("ann", "not the password")
        login.login("ann", PASSWORD)


def test_an_unknown_name_is_limited_like_a_known_one(engine, clock, accounts):
    login = Login(engine, clock, accounts)
    answers = {}
    for name in ("ann", "nobody"):
        answers[name] = []
        for _ in range(FREE + 2):
            with pytest.raises(UnauthenticatedError) as caught:
                login.login(name, "not the password")
            answers[name].append(caught.value.public)
    assert answers["ann"] == answers["nobody"]


def test_one_name_does_not_block_another(clock):
    limiter = Limiter(clock)
    for _ in range(FREE):
        limiter.attempt("ann")
    with pytest.raises(UnauthenticatedError):
        limiter.attempt("ann")
    limiter.attempt("bob")


def test_the_wait_grows_to_its_bound_and_no_further(clock):
    limiter = Limiter(clock)
    for _ in range(FREE + 30):
        clock.time += LONGEST
        limiter.attempt("ann")
    with pytest.raises(UnauthenticatedError, match=f"{LONGEST // 1000} seconds"):
        limiter.attempt("ann")


def test_the_limiter_remembers_a_bounded_number_of_names(clock):
    limiter = Limiter(clock)
    for number in range(NAMES + 5):
        limiter.attempt(f"name{number}")
    assert len(limiter._tried) == NAMES
