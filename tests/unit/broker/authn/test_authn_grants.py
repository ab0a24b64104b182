"""Grants of kernels."""

import base64

import pytest

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.authn.grants import LIFETIME, Grants
from jupyter_secure.broker.authn.passwords import Cost
from jupyter_secure.protocol.errors import ConflictError, InvalidRequestError, UnauthenticatedError
from jupyter_secure.protocol.grant import GuardLevel, GuardReport

REPORT = GuardReport(level=GuardLevel.G3, layers=("bubblewrap", "seccomp"), canaries={"net": True})
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()


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
    accounts = Accounts(engine, clock, Cost(memory=64, passes=1, lanes=1))
    accounts.add("ann", "correct horse battery")
    return accounts


@pytest.fixture
def grants(engine, clock, accounts):
    return Grants(engine, clock)


def test_a_grant_comes_back_as_it_was_made(grants, clock):
    grant = grants.mint("ann", "k-1", "a/b.ipynb", REPORT)
    assert grants.get(grant.id) == grant
    assert (grant.user, grant.kernel, grant.notebook, grant.guard) == ("ann", "k-1", "a/b.ipynb", REPORT)
    assert (grant.issued_at, grant.expires_at) == (clock.time, clock.time + LIFETIME)


def test_an_unknown_an_expired_and_a_closed_grant_look_the_same(grants, clock):
    expired = grants.mint("ann", "k-1", "", REPORT)
    clock.time += LIFETIME
    closed = grants.mint("ann", "k-2", "", REPORT)
    grants.close(closed.id)
    sentences = set()
    for name in ("never", expired.id, closed.id):
        with pytest.raises(UnauthenticatedError) as caught:
            grants.get(name)
        sentences.add(caught.value.public)
    assert len(sentences) == 1


def test_a_disabled_account_ends_its_grants_at_once(grants, accounts):
    grant = grants.mint("ann", "k-1", "", REPORT)
    accounts.disable("ann")
    with pytest.raises(UnauthenticatedError):
        grants.get(grant.id)
    with pytest.raises(UnauthenticatedError):
        grants.mint("ann", "k-2", "", REPORT)


def test_a_restarted_kernel_gets_a_new_grant_and_the_old_one_ends(grants):
    old = grants.mint("ann", "k-1", "", REPORT)
    other = grants.mint("ann", "k-2", "", REPORT)
    new = grants.mint("ann", "k-1", "", REPORT)
    with pytest.raises(UnauthenticatedError):
        grants.get(old.id)
    assert grants.get(new.id) == new
    assert grants.get(other.id) == other


def test_a_key_is_bound_once_and_never_exchanged(grants):
    grant = grants.mint("ann", "k-1", "", REPORT)
    assert grants.shown(grant.id)[:2] == (grant, None)
    assert grants.bind_key(grant.id, KEY) == grant
    grants.bind_key(grant.id, KEY)
    with pytest.raises(ConflictError):
        grants.bind_key(grant.id, OTHER_KEY)
    assert grants.shown(grant.id)[:2] == (grant, KEY)


@pytest.mark.parametrize("key", ["", "AA==", "not base64!", KEY + "\n", base64.b64encode(bytes(32)).decode(), "é" * 44])
def test_what_is_no_key_is_refused(grants, key):
    grant = grants.mint("ann", "k-1", "", REPORT)
    with pytest.raises(InvalidRequestError):
        grants.bind_key(grant.id, key)
    assert grants.shown(grant.id)[:2] == (grant, None)


def test_a_closed_grant_takes_no_key(grants):
    grant = grants.mint("ann", "k-1", "", REPORT)
    grants.close(grant.id)
    with pytest.raises(UnauthenticatedError):
        grants.bind_key(grant.id, KEY)


def test_a_grant_follows_its_notebook(grants):
    grant = grants.mint("ann", "k-1", "a.ipynb", REPORT)
    assert grants.move(grant.id, "b.ipynb").notebook == "b.ipynb"
    assert grants.get(grant.id).notebook == "b.ipynb"


@pytest.mark.parametrize(("kernel", "notebook"), [("../k", ""), ("", ""), ("k", "n" * 1025)])
def test_names_outside_their_patterns_are_refused(grants, kernel, notebook):
    with pytest.raises(InvalidRequestError):
        grants.mint("ann", kernel, notebook, REPORT)


def test_a_path_that_is_too_long_moves_nothing(grants):
    grant = grants.mint("ann", "k-1", "a.ipynb", REPORT)
    with pytest.raises(InvalidRequestError):
        grants.move(grant.id, "n" * 1025)
    assert grants.get(grant.id).notebook == "a.ipynb"
