"""Access is asked for, approved, used and revoked through the real server, guard, kernel, broker and worker."""

import os
import subprocess
import sys
import time

import pytest

from jupyter_secure.cli import demo
from tests.integration import demo_server, requests_server
from tests.integration.demo_server import KernelSession
from tests.integration.requests_server import LOAD, TERMS

pytestmark = pytest.mark.slow
WISH = {"dataset": "patients", "rung": "raw", "purpose": "cohort-study", "reason": "Weight after quitting", "days": 7}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("requests")
    server = requests_server.start(folder)
    try:
        yield server
    finally:
        server.stop()
        demo_server.verify(folder)


@pytest.fixture
def person(server):
    return lambda name: server.person(name, demo.password(name))


@pytest.fixture
def kernel(person):
    browser = person("scientist")
    acknowledge(browser)
    opened = KernelSession(browser, "study.ipynb")
    yield opened
    withdraw_all(browser)
    opened.close()


def acknowledge(browser):
    purposes = browser.get("/jupyter_secure/requests").json()["purposes"]
    [purpose] = [it for it in purposes if it["name"] == "cohort-study"]
    assert purpose["acknowledge"] == TERMS
    body = {"purpose": purpose["name"], "digest": purpose["digest"]}
    assert browser.post("/jupyter_secure/acknowledge", json=body).json() == {"type": "Done"}


def withdraw_all(browser):
    for request in browser.get("/jupyter_secure/requests").json()["mine"]:
        if request["state"] in {"requested", "approved"}:
            browser.post("/jupyter_secure/requests/revoke", json={"request": request["id"]})


def decide(browser, request, approve=True, **fields):
    body = {"request": request, "approve": approve, **fields}
    return browser.post("/jupyter_secure/requests/decide", json=body)


def test_from_a_refusal_to_the_data_and_back(kernel, person):
    refused = kernel.text(LOAD)
    assert '%secure_request patients --as raw --purpose cohort-study --reason "..." --days 7' in refused
    told = kernel.text('%secure_request patients --as raw --purpose cohort-study --reason "Weight after quitting"')
    assert "patients as raw for cohort-study, for 7 days" in told
    steward = person("steward")
    [waiting] = steward.get("/jupyter_secure/requests").json()["others"][:1]
    assert (waiting["user"], waiting["reason"], waiting["state"]) == ("scientist", WISH["reason"], "requested")
    assert decide(steward, waiting["id"], days=2).json()["request"]["days"] == 2
    assert "(1629, 21)" in kernel.text(f"{LOAD}\ndf.shape")
    revoked = time.monotonic()
    assert steward.post("/jupyter_secure/requests/revoke", json={"request": waiting["id"]}).status_code == 200
    assert "not available to you" in kernel.text(LOAD)
    print(f"revoked and refused after {(time.monotonic() - revoked) * 1000:.0f} ms")  # noqa: T201 - shown by pytest -rP
    assert "(1629, 21)" in kernel.text("df.shape")  # what was given stays where it is


def test_the_function_asks_like_the_magic(kernel):
    line = 'jupyter_secure.request("patients", "raw", "cohort-study", reason="Weight", days=3)'
    assert "for 3 days" in kernel.text(f"import jupyter_secure\n{line}")
    assert "already" in kernel.text(line)
    assert "at most 30 days" in kernel.text(line.replace("days=3", "days=31"))


def test_a_kernel_has_no_way_to_decide(kernel):
    kernel.text('%secure_request patients --purpose cohort-study --reason "Weight"')
    shown = kernel.text(
        "from jupyter_secure.kernel.client import CONNECTION\n"
        "from jupyter_secure.protocol.messages import Decide\n"
        'CONNECTION.client().request(Decide(ticket="", request="0" * 32, approve=True))'
    )
    assert "not well formed" in shown


def test_a_steward_does_not_decide_for_himself_through_the_interface_either(person):
    steward = person("steward")
    acknowledge(steward)
    request = steward.post("/jupyter_secure/requests", json=WISH).json()["request"]["id"]
    answer = decide(steward, request)
    assert (answer.status_code, answer.json()["code"]) == (404, "refused")
    assert "own request" in answer.json()["public"]
    assert decide(person("officer"), request, approve=False, note="Not needed.").status_code == 200


def test_others_cannot_touch_a_request_they_know_the_number_of(kernel, person):
    request = kernel.browser.post("/jupyter_secure/requests", json=WISH).json()["request"]["id"]
    engineer = person("engineer")
    unknown = decide(engineer, "f" * 32)
    for answer in (
        decide(engineer, request),
        decide(engineer, request, approve=False),
        engineer.post("/jupyter_secure/requests/revoke", json={"request": request}),
    ):
        assert (answer.status_code, answer.json()) == (unknown.status_code, unknown.json())
    assert engineer.get("/jupyter_secure/requests").json()["others"] == []


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("requests", {**WISH, "days": 0}),
        ("requests", {**WISH, "reason": "two\nlines"}),
        ("requests", {**WISH, "user": "steward"}),
        ("requests/decide", {"request": "0" * 32}),
        ("requests/decide", {"request": "../x", "approve": True}),
        ("requests/revoke", {"request": "0" * 32, "until": 1}),
        ("acknowledge", {"purpose": "cohort-study", "digest": "x"}),
        ("requests", [WISH]),
    ],
)
def test_a_malformed_body_is_refused_as_such(person, name, body):
    answer = person("scientist").post(f"/jupyter_secure/{name}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize("headers", [{"X-XSRFToken": "wrong"}, {"Origin": "https://elsewhere.example"}], ids=str)
def test_a_decision_from_another_page_is_refused(kernel, person, headers):
    request = kernel.browser.post("/jupyter_secure/requests", json=WISH).json()["request"]["id"]
    body = {"request": request, "approve": True}
    answer = person("steward").post("/jupyter_secure/requests/decide", json=body, headers=headers)
    assert answer.status_code in {403, 404}
    assert kernel.browser.get("/jupyter_secure/requests").json()["mine"][0]["state"] == "requested"


def test_a_ticket_in_the_body_does_not_take_the_place_of_the_own(kernel, person):
    request = kernel.browser.post("/jupyter_secure/requests", json=WISH).json()["request"]["id"]
    answer = decide(person("engineer"), request, ticket="somebody else's")
    assert answer.json()["code"] == "refused"


def test_the_command_line_decides_while_the_server_runs(kernel, server):
    request = kernel.browser.post("/jupyter_secure/requests", json=WISH).json()["request"]["id"]
    command = ["requests", "approve", request[:8], "--as", "officer", "--vault", str(server.vault), "--password-stdin"]
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_secure.cli.main", *command],
        input=demo.password("officer") + "\n",
        env={**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "(1629, 21)" in kernel.text(f"{LOAD}\ndf.shape")
