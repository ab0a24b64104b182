"""The worked example, read the way JupyterHub reads it."""

import shlex

import pytest
from jupyterhub.app import JupyterHub
from traitlets.config import PyFileConfigLoader

from tests.integration.server_process import REPOSITORY

EXAMPLE = REPOSITORY / "jupyter-config" / "hub" / "jupyterhub_config.py"
ROLES = {"steward", "scientist", "engineer", "officer"}


@pytest.fixture
def hub(monkeypatch):
    """Return a function that reads the example and gives the application that results."""

    def read(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        config = PyFileConfigLoader(EXAMPLE.name, path=str(EXAMPLE.parent)).load_config()
        return JupyterHub(config=config, parent=None)

    return read


def roles(app):
    return {role["name"]: role for role in app.load_roles}


def test_each_role_has_its_scope_and_its_group(hub):
    app = hub()
    assert set(app.custom_scopes) == {f"custom:jupyter-secure:role:{role}" for role in ROLES}
    assert set(app.load_groups) == {f"secure-{role}s" for role in ROLES}
    for role in ROLES:
        assert roles(app)[f"secure-{role}"]["scopes"] == [f"custom:jupyter-secure:role:{role}"]
        assert roles(app)[f"secure-{role}"]["groups"] == [f"secure-{role}s"]


def test_a_servers_token_can_make_no_tokens_and_share_nothing(hub):
    app = hub()
    scopes = roles(app)["server"]["scopes"]
    assert not [scope for scope in scopes if scope.startswith(("tokens", "shares", "users:shares", "inherit", "self"))]
    assert set(scopes) == {"users:activity!user", "access:servers!server", *app.custom_scopes}
    assert "user" not in roles(app)  # Hub's own role for people, unchanged


def test_the_command_of_the_broker_is_one_that_exists(hub):
    from jupyter_secure.cli.main import parser

    (service,) = hub().services
    shell, option, line = service["command"]
    assert (shell, option) == ("/bin/sh", "-c")
    words = shlex.split(line)
    assert words[-2] == "<"
    parsed = parser().parse_args(words[words.index("jupyter_secure.cli.main") + 1 : -2])
    assert (parsed.unlock, parsed.unlock_fd, parsed.declared_guard) == ("fd", 0, "G0")
    assert service["user"] == "secure_broker"
    assert "admin" not in service


def test_a_broker_that_runs_elsewhere_is_not_started(hub):
    app = hub(SECURE_BROKER_MANAGED="0", SECURE_BROKER_URL="https://broker:8490", SECURE_BROKER_CA="/etc/ca.pem")
    assert app.services == []
    assert app.config.Spawner.args.get_value([]) == [
        "--SecureApp.broker=https://broker:8490",
        "--SecureApp.broker_ca=/etc/ca.pem",
    ]


def test_nothing_secret_reaches_the_users_servers(hub):
    app = hub()
    assert app.config.Spawner.environment.get_value({}) == {"JUPYTERHUB_SINGLEUSER_EXTENSION": "1"}
    assert not app.allow_named_servers
