"""The table of roles, and what the server is armed with."""

from types import SimpleNamespace

import pytest
from jupyter_server.auth.identity import User

from jupyter_secure.protocol.errors import InstallationError
from jupyter_secure.protocol.principal import Role
from jupyter_secure.server.arming import CSP, armed_config, require_apart
from jupyter_secure.server.authorizer import LOOK, ROLES, WORK, SecureAuthorizer, named_kernels, permitted
from jupyter_secure.server.identity import SecureIdentityProvider, SecureUser

ACTIONS = ("read", "write", "execute")
RESOURCES = sorted({resource for resource, _ in WORK | ROLES[Role.STEWARD]} | {"terminals", "lsp", "server", "unknown"})


def handler(method="GET", resource="contents", path=None, body=None, owner=None):
    registry = SimpleNamespace(owns=lambda user, kernel: owner == user, seen=lambda person, kernel: None)
    return SimpleNamespace(
        request=SimpleNamespace(method=method, body=b"x" if body is not None else b""),
        auth_resource=resource,
        path_kwargs=path or {},
        get_json_body=lambda: body,
        settings={"jupyter_secure": SimpleNamespace(sessions=registry), "kernel_manager": {"k-1": object()}},
    )


@pytest.fixture
def authorizer():
    class Tickets(SecureIdentityProvider):
        def ticket(self, _handler):
            return "t"

    return SecureAuthorizer(identity_provider=Tickets())


def test_every_built_in_role_is_in_the_table():
    assert set(ROLES) == {role.value for role in Role}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("resource", ["terminals", "lsp", "unknown", "", "Contents"])
def test_what_the_table_does_not_name_is_refused_to_everybody(role, resource):
    assert not any(permitted([role], action, resource) for action in (*ACTIONS, "", "unknown"))


def test_nobody_forges_events_and_everybody_may_listen():
    for roles in ([], *[[role] for role in Role]):
        assert not permitted(roles, "write", "events")
        assert permitted(roles, "execute", "events")


def test_without_a_role_one_may_look_and_nothing_else():
    allowed = {(resource, action) for resource in RESOURCES for action in ACTIONS if permitted([], action, resource)}
    assert allowed == set(LOOK)
    assert {action for _, action in allowed - {("csp", "write"), ("events", "execute")}} == {"read"}


def test_only_a_steward_ends_the_server():
    assert [role.value for role in Role if permitted([role], "write", "server")] == ["steward"]


def test_a_role_of_a_policy_works_in_notebooks():
    assert permitted(["nurse"], "execute", "kernels")
    assert not permitted(["nurse"], "write", "server")


def test_a_user_of_another_identity_provider_is_refused(authorizer):
    assert not authorizer.is_authorized(handler(), User("ann"), "read", "contents")
    assert not authorizer.is_authorized(handler(), None, "read", "contents")


def test_the_requests_own_action_and_resource_count_as_well(authorizer):
    user = SecureUser("ann", roles=())
    assert authorizer.is_authorized(handler(), user, "read", "contents")
    # What Jupyter's decorator remembered from an earlier call does not carry a later one.
    assert not authorizer.is_authorized(handler("POST"), user, "read", "contents")
    assert not authorizer.is_authorized(handler(resource="terminals"), user, "read", "contents")
    assert not authorizer.is_authorized(handler("BREW"), user, "read", "contents")


@pytest.mark.parametrize(
    "named",
    [
        {"path": {"kernel_id": "k-1"}},
        {"body": {"kernel": {"id": "k-1"}}},
        {"body": {"kernel_id": "k-1"}},
        {"body": {"kernel": {"kernel_id": "k-1"}}},
    ],
)
def test_a_kernel_is_for_its_owner_alone(authorizer, named):
    user = SecureUser("ann", roles=("steward",))
    for resource in ("kernels", "sessions"):
        assert authorizer.is_authorized(handler("POST", resource, owner="ann", **named), user, "write", resource)
        assert not authorizer.is_authorized(handler("POST", resource, owner="bob", **named), user, "write", resource)
        assert not authorizer.is_authorized(handler("POST", resource, owner=None, **named), user, "write", resource)


@pytest.mark.parametrize("body", [[], "text", 7, {"kernel": []}, {"kernel": {"id": 7}}, {"kernel": None}])
def test_a_body_of_another_shape_names_no_kernel(body):
    assert list(named_kernels(handler("POST", "sessions", body=body))) == []


def test_the_armed_settings_keep_other_headers_and_replace_ours():
    before = {"headers": {"X-Own": "kept", "Content-Security-Policy": "none"}, "authorizer": "replaced"}
    armed = armed_config(before, ["/own"])["ServerApp"]
    headers = armed["tornado_settings"]["headers"]
    assert headers["X-Own"] == "kept"
    assert headers["Content-Security-Policy"] == CSP
    assert "authorizer" not in armed["tornado_settings"]
    assert armed["extra_template_paths"][-1] == "/own"


@pytest.mark.parametrize(("vault", "root"), [("work/vault", "work"), ("work", "work"), ("work", "work/notebooks")])
def test_vault_and_notebooks_lie_apart(tmp_path, vault, root):
    with pytest.raises(InstallationError):
        require_apart(str(tmp_path / vault), str(tmp_path / root))


def test_a_link_does_not_hide_that_they_do_not(tmp_path):
    (tmp_path / "work" / "vault").mkdir(parents=True)
    (tmp_path / "elsewhere").symlink_to(tmp_path / "work" / "vault")
    with pytest.raises(InstallationError):
        require_apart(str(tmp_path / "elsewhere"), str(tmp_path / "work"))
    require_apart(str(tmp_path / "vault"), str(tmp_path / "work"))
