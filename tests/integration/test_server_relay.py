"""A real Jupyter server with a small stand-in for the broker: arming, login, roles, ownership, restart."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import requests
import websocket

from tests.integration.server_process import PASSPHRASE, PASSWORD, REPOSITORY, STAND_IN, Browser, Server

pytestmark = pytest.mark.slow

CONFIG = f"""
import sys
from jupyter_secure.server import broker_process
broker_process.COMMAND = (sys.executable, "-I", {str(STAND_IN)!r})
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"), config=CONFIG)
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


@pytest.fixture
def ann(server):
    return server.person("ann")


@pytest.fixture
def bob(server):
    return server.person("bob")


@pytest.fixture(scope="module")
def kernel(server):
    """One kernel of ann's for all tests that only look at it."""
    ann = server.person("ann")
    return ann.start_kernel("shared.ipynb")["kernel"]["id"]


OURS = ["session", "datasets", "log", "lineage", "budget", "why"]


@pytest.mark.parametrize("name", OURS)
def test_nobody_is_told_to_log_in(server, name):
    answer = Browser(server).get(f"/jupyter_secure/{name}")
    assert (answer.status_code, answer.json()["code"]) == (403, "unauthenticated")


@pytest.mark.parametrize("path", ["/lab", "/api/me", "/api/contents", "/files/x", "/metrics"])
def test_jupyters_own_pages_are_closed_to_nobody(server, path):
    answer = Browser(server).get(path, allow_redirects=False)
    assert answer.status_code in {302, 403}
    if answer.status_code == 302:
        assert "/login" in answer.headers["Location"]


def test_a_wrong_password_is_a_sentence_and_no_cookie(server):
    browser = Browser(server)
    answer = browser.login("ann", "not the password")
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert not [cookie for cookie in browser.cookies if cookie.name.startswith("username-")]


def test_the_login_form_holds_no_script_and_nothing_from_elsewhere(server):
    page = Browser(server).get("/login").text
    assert "<script" not in page
    assert "http:" not in page.replace(server.url, "")
    assert "https:" not in page
    assert 'autocomplete="current-password"' in page


def test_a_typed_name_is_shown_as_text(server):
    answer = Browser(server).login('"><script>alert(1)</script>', "not the password")
    assert "<script" not in answer.text


def test_a_login_without_the_cross_site_token_is_refused(server):
    answer = requests.post(
        f"{server.url}/login", data={"username": "ann", "password": "correct horse battery"}, timeout=30
    )
    assert answer.status_code == 403


def test_a_login_leads_nowhere_else(server):
    answer = Browser(server).login("ann", "correct horse battery", after="https://example.org/")
    assert answer.headers["Location"].startswith("/")


def test_the_cookie_is_for_the_browser_alone_and_holds_no_name_or_role(server, ann):
    browser = Browser(server)
    header = browser.login("ann", "correct horse battery").headers["Set-Cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header
    assert "engineer" not in header


def test_who_i_am_comes_from_the_broker(ann):
    assert ann.get("/api/me").json()["identity"]["display_name"] == "Ann (engineer)"
    session = ann.get("/jupyter_secure/session").json()
    assert session["user"] == {"name": "ann", "display_name": "Ann", "roles": ["engineer"], "mfa_at": None}
    assert session["vault"] == "unlocked"
    assert session["kernel"] is None


def test_a_person_cannot_rename_himself(ann):
    assert ann.patch("/api/me", json={"display_name": "Steward"}).status_code == 400


def test_logout_ends_the_session(server):
    ann = server.person("ann")
    ann.get("/logout", allow_redirects=False)
    assert ann.get("/jupyter_secure/session").status_code == 403


@pytest.mark.parametrize("how", ["query", "header"])
def test_no_token_opens_this_server(server, how):
    for token in ("", "undefined", "ticket-of-ann"):
        options = {"query": {"params": {"token": token}}, "header": {"headers": {"Authorization": f"token {token}"}}}
        answer = requests.get(f"{server.url}/api/contents", timeout=30, allow_redirects=False, **options[how])
        assert answer.status_code == 403


def test_a_forged_cookie_is_nobody(server):
    name = f"username-127-0-0-1-{server.port}"
    answer = requests.get(f"{server.url}/api/contents", cookies={name: "ticket-of-ann"}, timeout=30)
    assert answer.status_code == 403


def test_terminals_are_not_there(ann):
    assert ann.get("/api/terminals").status_code == 404
    assert ann.post("/api/terminals").status_code == 404


def test_language_servers_are_not_there(ann):
    assert ann.get("/lsp/status").status_code == 404


def test_an_account_without_a_role_may_look_and_start_nothing(server):
    vera = server.person("vera")
    assert vera.get("/api/contents").status_code == 200
    assert vera.get("/jupyter_secure/session").status_code == 200
    assert vera.post("/api/kernels", json={}).status_code == 403
    assert vera.post("/api/sessions", json={"path": "v", "type": "notebook"}).status_code == 403
    assert vera.put("/api/contents/v.txt", json={"type": "file", "format": "text", "content": ""}).status_code == 403
    assert vera.post("/jupyter_secure/unlock", json={"passphrase": "x"}).status_code == 403
    assert vera.get("/nbconvert/html/a.ipynb").status_code == 403


def test_nobody_but_a_steward_shuts_the_server_down(ann):
    assert ann.post("/api/shutdown").status_code == 403


def test_events_cannot_be_forged(ann):
    event = {"schema_id": "https://events.jupyter.org/jupyter_secure/changed", "version": "1", "data": {}}
    assert ann.post("/api/events", json=event).status_code == 403


def test_the_extension_manager_installs_nothing(ann):
    answer = ann.post("/lab/api/extensions", json={"cmd": "install", "extension_name": "x"})
    assert answer.status_code in {403, 404}  # 404 where JupyterLab itself does not run


def test_output_cannot_call_out(ann):
    policy = ann.get("/lab").headers["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    for name in ("connect-src", "form-action", "default-src"):
        assert directives[name] == "'self'"
    assert directives["img-src"] == "'self' data: blob:"
    assert "unsafe-inline" not in directives["script-src"]
    assert "http" not in policy


def test_a_wrong_request_is_a_sentence(ann):
    for query in ("log?limit=many", "log?limit=0", "why?dataset=../x", "lineage?path=" + "x" * 2000):
        answer = ann.get(f"/jupyter_secure/{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    answer = ann.post("/jupyter_secure/unlock", data="not json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_a_cross_site_unlock_is_refused(ann):
    answer = ann.post("/jupyter_secure/unlock", json={"passphrase": PASSPHRASE}, headers={"X-XSRFToken": "wrong"})
    assert answer.status_code == 403


def test_the_owner_sees_his_kernel_and_its_guard(ann, kernel):
    session = ann.get("/jupyter_secure/session", params={"path": "shared.ipynb"}).json()
    assert session["kernel"]["id"] == kernel
    assert session["kernel"]["guard"]["level"] in {"G1", "G2", "G3"}
    ann.until(
        "/jupyter_secure/session?path=shared.ipynb",
        lambda answer: answer.json()["kernel"]["granted"],
    )


def test_nobody_else_sees_or_touches_it(bob, kernel):
    assert bob.get("/jupyter_secure/session", params={"path": "shared.ipynb"}).json()["kernel"] is None
    assert kernel not in bob.get("/api/kernels").text
    assert kernel not in bob.get("/api/sessions").text
    assert bob.get(f"/api/kernels/{kernel}").status_code == 403
    assert bob.post(f"/api/kernels/{kernel}/interrupt").status_code == 403
    assert bob.post(f"/api/kernels/{kernel}/restart").status_code == 403
    assert bob.delete(f"/api/kernels/{kernel}").status_code == 403


def test_nobody_else_connects_to_it(ann, bob, kernel):
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        bob.socket(f"/api/kernels/{kernel}/channels")
    ann.socket(f"/api/kernels/{kernel}/channels").close()


def drain(connection):
    while True:
        connection.recv()


def test_a_login_that_ends_closes_its_connections(tmp_path):
    server = Server(tmp_path, config=CONFIG + "from jupyter_secure.server import ownership\nownership.RECHECK = 0.2\n")
    try:
        ann = server.wait_until_ready().person("ann")
        kernel = ann.start_kernel()["kernel"]["id"]
        left, stays = ann.socket(f"/api/kernels/{kernel}/channels"), server.person("ann")
        other = stays.socket(f"/api/kernels/{kernel}/channels?session_id=other")
        ann.get("/logout", allow_redirects=False)
        with pytest.raises(websocket.WebSocketConnectionClosedException):
            drain(left)
        other.ping()
        assert other.connected
        other.close()
    finally:
        server.stop()


def test_nobody_else_reaches_it_through_a_session(ann, bob, kernel):
    hijack = {"path": "b.ipynb", "name": "b", "type": "notebook", "kernel": {"id": kernel}}
    assert bob.post("/api/sessions", json=hijack).status_code == 403
    theirs = next(model for model in ann.get("/api/sessions").json() if model["kernel"]["id"] == kernel)
    assert bob.get(f"/api/sessions/{theirs['id']}").status_code == 404
    assert bob.patch(f"/api/sessions/{theirs['id']}", json={"path": "b.ipynb"}).status_code == 404
    assert bob.delete(f"/api/sessions/{theirs['id']}").status_code == 404
    assert ann.get(f"/api/kernels/{kernel}").status_code == 200


def test_a_second_person_gets_a_kernel_of_his_own_for_the_same_notebook(bob, kernel):
    model = bob.start_kernel("shared.ipynb")
    assert model["kernel"]["id"] != kernel
    assert bob.delete(f"/api/sessions/{model['id']}").status_code == 204


def test_a_renamed_notebook_is_followed(ann):
    model = ann.start_kernel("before.ipynb")
    ann.patch(f"/api/sessions/{model['id']}", json={"path": "after.ipynb"}).raise_for_status()
    found = ann.get("/jupyter_secure/session", params={"path": "after.ipynb"}).json()["kernel"]
    assert found["id"] == model["kernel"]["id"]
    assert ann.get("/jupyter_secure/session", params={"path": "before.ipynb"}).json()["kernel"] is None
    ann.delete(f"/api/sessions/{model['id']}")


def test_a_planted_template_is_not_run_by_an_export(server, ann):
    planted = server.root / "lab"
    planted.mkdir(exist_ok=True)
    (planted / "conf.json").write_text('{"base_template": "classic", "mimetypes": {"text/html": true}}')
    (planted / "index.html.j2").write_text("planted {{ 6 * 7 }}")
    content = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    ann.put("/api/contents/export.ipynb", json={"type": "notebook", "content": content}).raise_for_status()
    answer = ann.get("/nbconvert/html/export.ipynb")
    assert answer.status_code == 200
    assert "planted 42" not in answer.text


def test_a_killed_broker_is_said_plainly_and_comes_back_locked(tmp_path):
    server = Server(tmp_path, config=CONFIG + "broker_process.PAUSES = (2.0,)\n")
    try:
        ann = server.wait_until_ready().person("ann")
        broker = server.broker()
        os.kill(broker, signal.SIGKILL)
        answer = ann.until("/jupyter_secure/session", lambda answer: answer.status_code == 503)
        assert answer.json()["code"] == "unavailable"
        assert "being restarted" in answer.json()["public"]
        back = ann.until("/jupyter_secure/session", lambda answer: answer.status_code == 200)
        assert back.json()["vault"] == "locked"
        wrong = ann.post("/jupyter_secure/unlock", json={"passphrase": "wrong"})
        assert (wrong.status_code, wrong.json()["code"]) == (403, "unlock")
        right = ann.post("/jupyter_secure/unlock", json={"passphrase": PASSPHRASE})
        assert (right.status_code, right.json()["vault"]) == (200, "unlocked")
        assert "The broker ended" in server.log
        assert PASSPHRASE not in server.log
    finally:
        server.stop()


def test_the_panel_hears_a_ping_without_content(server, ann):
    events = ann.socket("/api/events/subscribe")
    try:
        ann.post("/jupyter_secure/unlock", json={"passphrase": PASSPHRASE}).raise_for_status()
        heard = ""
        while "jupyter_secure/changed" not in heard:
            heard = events.recv()
    finally:
        events.close()
    content = {name for name in json.loads(heard) if not name.startswith("__")}
    assert content == {"schema_id"}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_servers_end_leaves_no_process(tmp_path, how):
    server = Server(tmp_path, config=CONFIG)
    try:
        ann = server.wait_until_ready().person("ann")
        ann.start_kernel()
        children = server.children()
        assert server.broker() in children
    finally:
        server.stop(how)
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_that_cannot_arm_itself_does_not_start(tmp_path):
    broken = CONFIG + "from jupyter_secure.server import arming\narming.SCHEMA = None\ndel arming.CSP\n"
    server = Server(tmp_path, config=broken)
    assert server.status() == 1
    assert "cannot arm itself" in server.log


@pytest.mark.parametrize(
    "arguments",
    [
        ["--ServerApp.authorizer_class=jupyter_server.auth.authorizer.AllowAllAuthorizer"],
        ["--ServerApp.identity_provider_class=jupyter_server.auth.identity.PasswordIdentityProvider"],
        ["--ServerApp.allow_unauthenticated_access=True", "--ServerApp.disable_check_xsrf=True"],
        ["--IdentityProvider.token=known", "--ServerApp.terminals_enabled=True"],
    ],
)
def test_the_command_line_does_not_disarm(tmp_path, arguments):
    server = Server(tmp_path, *arguments, config=CONFIG)
    try:
        server.wait_until_ready()
        known = {"Authorization": "token known"}
        assert requests.get(f"{server.url}/api/contents", headers=known, timeout=30).status_code == 403
        assert server.person("vera").post("/api/kernels", json={}).status_code == 403
        assert server.person("ann").get("/api/terminals").status_code == 404
    finally:
        server.stop()


def test_another_extension_that_disarms_us_later_keeps_the_server_from_starting(tmp_path):
    later = CONFIG + (
        "from jupyterlab.labapp import LabApp\n"
        "LabApp.serverapp_config = {'x': 1}\n"
        "link = LabApp._link_jupyter_server_extension\n"
        "def disarm(self, serverapp):\n"
        "    link(self, serverapp)\n"
        "    serverapp.authorizer_class = 'jupyter_server.auth.authorizer.AllowAllAuthorizer'\n"
        "LabApp._link_jupyter_server_extension = disarm\n"
    )
    server = Server(tmp_path, config=later)
    assert server.status() == 1
    assert "replaces a part of jupyter-secure: authorizer" in server.log


def test_a_vault_inside_the_root_folder_is_refused(tmp_path):
    vault = tmp_path / "root" / "vault"
    vault.mkdir(parents=True)
    server = Server(tmp_path, config=CONFIG, vault=vault)
    assert server.status() == 1
    assert "The vault lies inside the folder" in server.log
    assert str(vault) not in server.log


def test_without_a_vault_the_server_does_not_start(tmp_path):
    server = Server(tmp_path, config=CONFIG, vault=tmp_path / "missing")
    assert server.status() == 1
    assert "jupyter-secure does not start: The broker did not start" in server.log


def test_listening_beyond_this_computer_without_encryption_is_refused(tmp_path):
    server = Server(tmp_path, config=CONFIG, ip="0.0.0.0")  # refused before it listens
    assert server.status() == 1
    assert "passwords would travel in the clear" in server.log


def test_with_the_administrators_settings_a_switched_off_extension_opens_nothing(tmp_path):
    settings = json.loads((REPOSITORY / "jupyter-config" / "admin-config" / "jupyter_server_config.json").read_text())
    administrators = "".join(f"c.ServerApp.{name} = {value!r}\n" for name, value in settings["ServerApp"].items())
    server = Server(tmp_path, "--ServerApp.jpserver_extensions={'jupyter_secure': False}", config=administrators)
    try:
        browser = Browser(server.wait_until_ready())
        assert "jupyter_secure | extension was successfully linked" not in server.log
        assert browser.get("/api/contents").status_code == 403
        assert browser.post("/api/kernels", json={}).status_code == 403
        answer = browser.post("/login", data={"username": "ann", "password": PASSWORD}, allow_redirects=False)
        assert answer.status_code in {403, 500}
        assert browser.get("/api/contents").status_code == 403
    finally:
        server.stop()
