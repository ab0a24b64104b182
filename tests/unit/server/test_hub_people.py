"""On a server of JupyterHub: who is let in, and what the process was told."""

from types import SimpleNamespace

import pytest

from jupyter_secure.protocol.errors import InstallationError, UnavailableError
from jupyter_secure.protocol.messages import Session
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.server.arming import armed_config
from jupyter_secure.server.authorizer import WORK
from jupyter_secure.server.hub import HubAuthorizer, HubPeople, HubServer
from jupyter_secure.server.identity import SecureUser


def handler(people, method="GET", resource="contents", path=None, owner="ann"):
    registry = SimpleNamespace(owns=lambda user, kernel: owner == user, seen=lambda person, kernel: None)
    app = SimpleNamespace(sessions=registry, people=people)
    return SimpleNamespace(
        request=SimpleNamespace(method=method, body=b""),
        auth_resource=resource,
        path_kwargs=path or {},
        settings={"jupyter_secure": app, "kernel_manager": {"k-1": object()}},
    )


class Broker:
    def __init__(self):
        self.asked = 0
        self.away = False

    async def request(self, body, **_):
        assert body.ticket == ""
        self.asked += 1
        if self.away:
            raise UnavailableError
        principal = Principal(name="ann", display_name="ann", roles=("scientist",))
        return Session(principal=principal, ticket="", expires_at=1), []


@pytest.fixture
def people():
    return HubPeople("ann", Broker())


@pytest.fixture
def authorizer():
    return HubAuthorizer()


def user(name):
    return SimpleNamespace(username=name, hub_user={"admin": True})


def test_the_owner_works(authorizer, people):
    for resource, action in WORK:
        method = {"read": "GET", "write": "POST", "execute": "POST"}[action]
        if action != "execute":
            assert authorizer.is_authorized(handler(people, method, resource), user("ann"), action, resource)
    websocket = handler(people, "WEBSOCKET", "kernels", {"kernel_id": "k-1"})
    assert authorizer.is_authorized(websocket, user("ann"), "execute", "kernels")


@pytest.mark.parametrize("name", ["bob", "admin", "Ann", "ann ", "", None])
def test_a_guest_an_administrator_and_nobody_are_refused_everything(authorizer, people, name):
    for resource, action in WORK:
        for method in ("GET", "POST", "WEBSOCKET"):
            asking = handler(people, method, resource, {"kernel_id": "k-1"}, owner=name)
            assert not authorizer.is_authorized(asking, user(name), action, resource)
    assert people.person(None, user(name)) is None
    assert not authorizer.is_authorized(handler(people), None, "read", "contents")


def test_what_the_table_does_not_name_is_refused_to_the_owner_too(authorizer, people):
    for resource in ("terminals", "server", "lsp", ""):
        assert not authorizer.is_authorized(handler(people, "POST", resource), user("ann"), "write", resource)


def test_a_local_user_of_the_owners_name_has_no_ticket_here(people):
    person = people.person(None, SecureUser("ann"))
    assert (person.name, person.ticket) == ("ann", "")
    assert people.ticket(None) == ""


async def test_who_the_owner_is_is_asked_of_the_broker_and_remembered_for_a_moment(people):
    for _ in range(3):
        assert (await people.whoami(None)).principal.roles == ("scientist",)
    assert people._upstream.asked == 1
    people._known = None
    people._upstream.away = True
    with pytest.raises(UnavailableError):
        await people.whoami(None)


def test_a_server_that_no_hub_started_has_no_hubs_broker():
    for environment in ({}, {"JUPYTERHUB_USER": "ann"}, {"JUPYTERHUB_API_TOKEN": "t", "JUPYTERHUB_USER": ""}):
        with pytest.raises(InstallationError):
            HubServer.of(environment)
    told = HubServer.of({"JUPYTERHUB_USER": "ann", "JUPYTERHUB_API_TOKEN": "secret-token"})
    assert (told.owner, told.token) == ("ann", "secret-token")
    assert "secret-token" not in repr(told)


def test_a_hub_keeps_its_own_identity_provider_and_everything_else_is_armed_as_at_home():
    hub, home = armed_config({}, [], hub=True).ServerApp, armed_config({}, []).ServerApp
    differ = {name for name in home if home[name] != hub[name]}
    assert differ == {"identity_provider_class", "authorizer_class"}
    assert hub.identity_provider_class == "jupyterhub.singleuser.extension.JupyterHubIdentityProvider"
    assert hub.authorizer_class == "jupyter_secure.server.hub.HubAuthorizer"
