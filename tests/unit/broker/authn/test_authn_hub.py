"""Whose a Hub's token is: read strictly, remembered shortly, never guessed."""

import asyncio

import pytest

from jupyter_secure.broker.authn.hub import FRESH, Hub, presented, presenting, read_model
from jupyter_secure.protocol.errors import UnauthenticatedError, UnavailableError
from jupyter_secure.testing.hub import ROLE, HubApi


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
async def api():
    api = HubApi()
    api.start()
    yield api
    await api.stop()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def hub(api, clock):
    hub = Hub(api.url, lambda: 1000, clock=clock)
    yield hub
    hub.close()


def model(*scopes, **fields):
    return {"kind": "user", "name": "ann", "scopes": list(scopes), **fields}


async def test_name_roles_and_server_are_those_of_the_token(api, hub):
    proved = await hub.introspect(api.token("ann", ["scientist", "officer"], server="big"))
    assert (proved.principal.name, proved.principal.roles) == ("ann", ("officer", "scientist"))
    assert (proved.server, proved.metrics, proved.expires_at) == ("big", False, 1000 + int(FRESH * 1000))


async def test_an_answer_counts_for_a_moment_and_then_the_hub_is_asked_again(api, hub, clock):
    token = api.token("ann", ["scientist"])
    for _ in range(3):
        await hub.introspect(token)
    assert api.asked == 1
    api.revoke(token)
    assert (await hub.introspect(token)).principal.name == "ann"
    clock.now += FRESH
    for _ in range(3):
        with pytest.raises(UnauthenticatedError):
            await hub.introspect(token)
    assert api.asked == 2  # a no is remembered as long as a yes


async def test_many_at_once_ask_the_hub_once_and_one_who_leaves_takes_nobody_along(api, hub):
    token = api.token("ann")
    tasks = [asyncio.create_task(hub.introspect(token)) for _ in range(20)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    proved = await asyncio.gather(*tasks[1:])
    assert {found.principal.name for found in proved} == {"ann"}
    assert api.asked == 1


async def test_a_role_taken_from_the_token_is_gone(api, hub, clock):
    token = api.token("ann", ["scientist", "steward"])
    assert len((await hub.introspect(token)).principal.roles) == 2
    api.scopes(token, ["scientist"])
    clock.now += FRESH
    assert (await hub.introspect(token)).principal.roles == ("scientist",)


async def test_a_hub_that_is_away_proves_nobody_and_is_asked_again_at_once(api, hub, clock):
    token = api.token("ann")
    await hub.introspect(token)
    await api.stop()
    clock.now += FRESH
    with pytest.raises(UnavailableError, match="Hub"):
        await hub.introspect(token)
    api.start()
    assert (await hub.introspect(token)).principal.name == "ann"


@pytest.mark.parametrize("status", [302, 429, 500, 502])
async def test_a_hub_that_answers_strangely_proves_nobody(api, hub, status):
    token = api.token("ann")
    api.broken = status
    with pytest.raises(UnavailableError):
        await hub.introspect(token)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\r\nHost: x", "a" * 513, "tök"])
async def test_what_is_no_token_is_not_even_shown_to_the_hub(api, hub, token):
    with pytest.raises(UnauthenticatedError):
        await hub.introspect(token)
    assert api.asked == 0


@pytest.mark.parametrize("answer", [None, [], "ann", {}, {"kind": "user", "name": "ann"}, model() | {"scopes": "all"}])
def test_what_is_no_model_proves_nobody(answer):
    with pytest.raises(UnavailableError):
        read_model(answer, 0)


@pytest.mark.parametrize("name", [None, 7, "", "Ann", "../ann", "ann\n", "a" * 64])
def test_a_name_that_no_policy_can_name_is_refused(name):
    with pytest.raises(UnauthenticatedError):
        read_model(model(name=name), 0)


def test_groups_and_admins_and_scopes_of_another_form_give_no_role():
    scopes = ["inherit", f"{ROLE}steward!user=ann", f"{ROLE}", f"{ROLE}A", "custom:other:role:officer", "role:officer"]
    proved = read_model(model(*scopes, admin=True, groups=["secure-stewards"], roles=["steward"]), 0)
    assert proved.principal.roles == ()


@pytest.mark.parametrize(
    ("scopes", "server"),
    [
        (["access:servers!server=ann/"], ""),
        (["access:servers!server=ann/big"], "big"),
        (["access:servers!server=bob/"], None),
        (["access:servers!server=ann"], None),
        (["access:servers!server=ann/", "access:servers!server=ann/big"], None),
        (["access:servers!user=ann"], None),
        (["access:servers"], None),
        (["access:servers!server=ann/", "access:servers"], None),
        ([], None),
    ],
)
def test_a_token_speaks_for_one_server_of_its_owner_or_for_none(scopes, server):
    assert read_model(model(*scopes), 0).server == server


def test_a_service_is_no_person():
    proved = read_model(model("read:metrics", ROLE + "steward", kind="service"), 0)
    assert (proved.principal, proved.server, proved.metrics) == (None, None, True)
    with pytest.raises(UnauthenticatedError):
        read_model(model(kind="group"), 0)


async def test_a_token_is_presented_inside_and_nowhere_else():
    with presenting("t"):
        assert await asyncio.create_task(_seen()) == "t"
    assert presented() == ""


async def _seen():
    return presented()
