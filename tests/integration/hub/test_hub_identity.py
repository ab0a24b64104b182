"""Who counts as whom on a real Hub: tokens, groups, guests, and how soon a change acts."""

import sys
import time
import uuid

import msgspec
import pytest

from jupyter_secure.protocol.grant import GuardLevel, GuardReport
from jupyter_secure.protocol.messages import FromKernel, OpenKernel, Status, ToBroker, WhoAmI
from jupyter_secure.protocol.stream import MEDIA, Unframer
from tests.integration.demo_server import KernelSession
from tests.integration.hub.hub_process import Person

pytestmark = pytest.mark.slow

SOON = 60.0  # seconds, on a busy computer; measured times are printed
GROUP = "secure-engineers"


@pytest.fixture
def engineer(person):
    opened = KernelSession(person("engineer"), "engineer.ipynb")
    yield opened
    opened.close()


@pytest.fixture
def ask(hub):
    """Return a function: a request to the broker itself, with any token."""

    def answer(token, body, **headers):
        response = hub.ask_broker(
            "POST",
            "/v1/ask",
            token,
            data=msgspec.json.encode(ToBroker(id=1, body=body)),
            headers={"Content-Type": "application/json", **headers},
        )
        if response.headers["Content-Type"] != MEDIA:
            return response.status_code, response.json()
        (envelope,) = Unframer().feed(response.content)
        return response.status_code, envelope

    return answer


def server_token(hub, name):
    """Return the Hub's number of the token that a person's server holds."""
    tokens = hub.call("GET", f"/users/{name}/tokens").json()["api_tokens"]
    (found,) = [token["id"] for token in tokens if token["note"].startswith("Server at")]
    return found


def seconds_until(session, good, code="%secure_load patients --columns height_cm"):
    """Run a load again and again; return how long it took until what it shows was as wanted."""
    began = time.monotonic()
    while True:
        shown = session.text(code)
        if good(shown):
            return time.monotonic() - began
        assert time.monotonic() - began < SOON, shown
        time.sleep(0.1)


def refused(shown):
    return "height_cm" not in shown.replace("--columns height_cm", "")


def test_leaving_a_group_acts_on_an_open_kernel_and_coming_back_too(hub, engineer, capsys):
    left, back = [], []
    for _ in range(5):
        hub.leave(GROUP, "engineer")
        try:
            left.append(seconds_until(engineer, refused))
        finally:
            hub.join(GROUP, "engineer")
        back.append(seconds_until(engineer, lambda shown: not refused(shown)))
    with capsys.disabled():
        sys.stdout.write(f"\n  left a group: refused after at most {max(left):.2f} s (5 times)\n")
        sys.stdout.write(f"  joined it again: permitted after at most {max(back):.2f} s\n")


def test_a_revoked_token_acts_on_an_open_kernel_until_the_server_is_started_anew(hub, person, engineer, capsys):
    assert not refused(engineer.text("%secure_load patients --columns height_cm"))
    assert hub.call("DELETE", f"/users/engineer/tokens/{server_token(hub, 'engineer')}").status_code == 204
    revoked = seconds_until(engineer, refused)
    with capsys.disabled():
        sys.stdout.write(f"\n  token revoked: refused after {revoked:.2f} s\n")
    assert "start it again" in engineer.text("%secure_load patients")
    hub.stop_server("engineer")
    again = KernelSession(person("engineer"), "engineer.ipynb")
    assert not refused(again.text("%secure_load patients --columns height_cm"))
    again.close()


def test_no_hub_token_is_in_a_kernel(engineer):
    shown = engineer.text(
        "import os, glob\n"
        "names = [name for name in os.environ if name.startswith(('JUPYTERHUB', 'SECURE'))]\n"
        "held = []\n"
        "for path in glob.glob('/proc/[0-9]*/environ'):\n"
        "    try:\n"
        "        held += [path] if b'JUPYTERHUB_API_TOKEN' in open(path, 'rb').read() else []\n"
        "    except OSError:\n"
        "        pass\n"
        "print(names, held)"
    )
    assert shown.strip() == "[] []"


def test_a_guest_of_a_shared_server_is_refused_everything(hub, person):
    person("scientist")
    share = {"user": "engineer"}
    assert hub.call("POST", "/shares/scientist/", json=share).status_code == 200
    guest = Person(hub, "engineer", server="scientist")
    try:
        body = {"path": "g.ipynb", "name": "g.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
        assert guest.post("/api/sessions", json=body).status_code == 403
        for path in ("/api/kernels", "/api/contents", "/jupyter_secure/session", "/jupyter_secure/log"):
            assert guest.get(path).status_code == 403, path
    finally:
        assert hub.call("PATCH", "/shares/scientist/", json=share).status_code == 200


def test_an_administrator_who_looks_in_is_refused_too(hub, person):
    person("scientist")
    admin = Person(hub, "steward", server="scientist")
    assert admin.get("/api/kernels").status_code == 403


def test_nobody_may_share_by_himself(hub, person):
    token = person("scientist").token
    answer = hub.call("POST", "/shares/scientist/", token=token, json={"user": "engineer"})
    assert answer.status_code == 403


def test_a_servers_token_makes_no_other_token(hub, engineer):
    scopes = hub.call("GET", f"/users/engineer/tokens/{server_token(hub, 'engineer')}").json()["scopes"]
    assert [scope for scope in scopes if scope.startswith("custom:")] == ["custom:jupyter-secure:role:engineer"]
    assert not [scope for scope in scopes if "token" in scope or scope == "inherit" or "shares" in scope]


def test_a_person_who_calls_the_broker_himself_is_himself_and_no_more(hub, person, ask, engineer):
    mine = person("engineer").token
    status, envelope = ask(mine, WhoAmI(ticket=""), **{"X-Forwarded-User": "steward", "Remote-User": "steward"})
    assert (status, envelope.body.principal.name, envelope.body.principal.roles) == (200, "engineer", ("engineer",))
    strong = GuardReport(level=GuardLevel.G4)
    opened = OpenKernel(ticket="", kernel=str(uuid.uuid4()), notebook="x.ipynb", guard=strong)
    assert ask(mine, opened)[1].error is not None  # that token is of no server
    own = ask(hub.server_secret("engineer"), opened)[1].body.grant
    assert (own.user, own.guard.level) == ("engineer", GuardLevel.G0)  # what is claimed counts up to what is declared
    status, told = ask("not-a-token", WhoAmI(ticket=""))
    assert status == 401
    assert set(told) == {"code", "public"}


def test_a_grant_is_useless_beside_another_persons_or_another_kind_of_token(hub, person, ask, engineer):
    person("scientist")
    grant = engineer.text("import jupyter_secure; print(jupyter_secure.status().reply.grant.id)").strip()
    asked = FromKernel(grant=grant, request=Status())
    assert ask(hub.server_secret("engineer"), asked)[1].body.principal.name == "engineer"
    for token in (hub.server_secret("scientist"), hub.token("engineer")["token"], hub.token("steward")["token"]):
        assert ask(token, asked)[1].error is not None


def test_a_token_with_fewer_scopes_has_fewer_roles(hub, ask):
    narrow = hub.token("scientist", scopes=["read:users:name!user"])["token"]
    _, envelope = ask(narrow, WhoAmI(ticket=""))
    assert envelope.body.principal.roles == ()
    lasting = hub.token("scientist", expires_in=2)["token"]
    assert ask(lasting, WhoAmI(ticket=""))[0] == 200
    time.sleep(4)
    assert ask(lasting, WhoAmI(ticket=""))[0] == 401


def test_the_level_of_a_kernel_is_what_the_operator_declared(engineer):
    assert "G0" in engineer.text("%secure_status")
    shown = engineer.browser.get("/jupyter_secure/session?path=engineer.ipynb").json()
    assert shown["kernel"]["guard"]["level"] == "G0"


def test_a_broker_that_is_started_anew_serves_the_next_load(hub, engineer):
    assert not refused(engineer.text("%secure_load patients --columns height_cm"))
    before = hub.broker_pid()
    hub.restart_broker()
    assert hub.broker_pid() != before
    assert not refused(engineer.text("%secure_load patients --columns height_cm"))
