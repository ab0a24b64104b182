"""Second factors on the real thing: an app, a cell that waits, and a passkey of Chromium's own authenticator."""

import re
import time
from contextlib import ExitStack

import pytest

from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.cli import demo
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.device import App
from tests.integration import demo_server
from tests.integration.browser import add_authenticator, chromium, log_in, open_panel, page, take_focus
from tests.integration.requests_server import NOTEBOOK
from tests.integration.server_process import Browser, Server
from tests.integration.test_panel_browser import CONTRAST, choose_theme, panel, run_cell

pytestmark = pytest.mark.slow
POLICY = """
[dataset.patients]

[purpose.cohort-study]
title = "Does giving up smoking change weight?"

[[rule]]
id = "raw-after-a-second-factor"
to = ["everyone"]
datasets = ["patients"]
view = "raw"
when = { mfa_max_age = "5m", purpose = ["cohort-study"] }
"""
LOAD = "df = %secure_load patients --purpose cohort-study --quiet\nprint('rows', len(df))"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mfa")
    demo.make_vault(folder / "vault")
    with Vault.open_locked(folder / "vault") as vault:
        vault.unlock(demo.PASSPHRASE)
        Policies(vault).apply(POLICY)
    server = Server(folder, program="jupyterlab", passphrase=demo.PASSPHRASE, vault=folder / "vault")
    for name, *_ in demo.PEOPLE:
        (server.root / f"{name}.ipynb").write_text(NOTEBOOK)
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()
        demo_server.verify(folder)


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def lab(server, browser):
    """Return a function that opens a person's notebook and shows the sidebar."""
    with ExitStack() as pages:

        def open_as(name, host="localhost"):
            shown = pages.enter_context(page(browser, width=1500, height=1400))
            log_in(
                shown, f"{server.url.replace('127.0.0.1', host)}/lab/tree/{name}.ipynb?reset", name, demo.password(name)
            )
            shown.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
            open_panel(shown)
            panel(shown).get_by_text("G3", exact=True).first.wait_for(timeout=60_000)
            panel(shown).get_by_text(re.compile("^Second factor:")).click()
            return shown

        yield open_as


def now():
    return time.time_ns() // 1_000_000


def keep_codes(sidebar):
    codes = sidebar.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    codes.first.wait_for()
    told = codes.all_text_contents()
    assert len(set(told)) == 10
    sidebar.get_by_role("button", name="I have kept them").click()
    return told


def enrol_app(sidebar):
    """Add an app by the secret that is shown; return it and the recovery codes."""
    sidebar.get_by_role("button", name="Add an app for codes").click()
    sidebar.get_by_role("img", name="QR code of the secret below").wait_for()
    app = App(sidebar.locator(".jp-Secure-secret").text_content())
    sidebar.get_by_label("The code that the app shows now").fill(app.code(now()))
    sidebar.get_by_role("button", name="Confirm").click()
    return app, keep_codes(sidebar)


def waiting(shown):
    """Return the part of the sidebar that asks for the proof of the request of the cell that was just run."""
    asked = panel(shown).get_by_role("region", name="Verify patients as raw for cohort-study")
    asked.wait_for(timeout=60_000)
    return asked


def in_the_cell(shown):
    """Return the input field that the cell shows."""
    field = shown.locator(".jp-Notebook .jp-Stdin-input")
    field.wait_for(timeout=60_000)
    return field


def assert_loaded(shown):
    shown.get_by_text("rows 1629").wait_for(timeout=60_000)


def entries(server, kind):
    with Vault.open_locked(server.vault) as vault:
        return vault.audit.entries(kinds=(kind,))


def test_a_cell_waits_for_a_code_that_is_typed_in_the_sidebar(lab, server):
    shown = lab("steward")
    app, recovery = enrol_app(panel(shown))
    run_cell(shown, LOAD)
    asked = waiting(shown)
    field = asked.get_by_label("Code of your app, or a recovery code")
    field.fill("000000")
    field.press("Enter")
    asked.get_by_text(re.compile("That is wrong")).wait_for()
    field.fill(app.code(now(), 1))
    field.press("Enter")
    asked.wait_for(state="detached")
    in_the_cell(shown).press("Enter")
    assert_loaded(shown)
    permitted = entries(server, Kind.LOAD_DECIDED)[0].header
    [proof] = (entry for entry in entries(server, Kind.MFA_VERIFIED) if entry.personal.user == "steward")
    assert permitted.extra == {"proof": str(proof.seq)}
    log = panel(shown).get_by_role("table", name="Access log of this notebook")
    log.get_by_role("row", name=re.compile("Load requested.*refused.*second factor")).first.wait_for()
    change_factors(shown, recovery)


def change_factors(shown, recovery):
    """Nothing is changed without a proof, here by a recovery code."""
    sidebar = panel(shown)
    sidebar.get_by_role("button", name="Remove the app").click()
    sidebar.get_by_label("Code of your app, or a recovery code").fill(recovery[0])
    sidebar.get_by_role("button", name="Verify", exact=True).click()
    sidebar.get_by_text(re.compile("^Second factor: *none")).wait_for()


def test_a_code_is_typed_in_the_cell_itself_and_the_cell_goes_on(lab):
    shown = lab("engineer")
    app, _ = enrol_app(panel(shown))
    run_cell(shown, LOAD)
    shown.get_by_text(re.compile("patients` as raw is not available to you now")).first.wait_for(timeout=60_000)
    field = in_the_cell(shown)
    field.fill(app.code(now(), 1))
    field.press("Enter")
    assert_loaded(shown)


def test_a_passkey_is_made_and_approves_one_request(lab, server):
    shown = lab("scientist")
    add_authenticator(shown)
    panel(shown).get_by_role("button", name="Add a passkey").click()
    keep_codes(panel(shown))
    panel(shown).get_by_text(re.compile("^Second factor: *1 passkey")).wait_for()
    run_cell(shown, LOAD)
    asked = waiting(shown)
    asked.get_by_role("button", name="Use a passkey").click()
    asked.wait_for(state="detached")
    in_the_cell(shown).press("Enter")
    assert_loaded(shown)
    [proof] = (entry for entry in entries(server, Kind.MFA_VERIFIED) if entry.personal.user == "scientist")
    assert proof.header.extra["method"] == "passkey"


def test_the_server_takes_the_ticket_of_whoever_is_logged_in_and_no_message_of_another_family(server):
    officer = server.person("officer", demo.password("officer"))
    assert officer.get("/jupyter_secure/mfa").json()["pending"] == []
    answer = officer.post("/jupyter_secure/mfa", json={"type": "MfaState", "ticket": "of somebody else"})
    assert answer.status_code == 200
    for body in (
        {"type": "MfaVerify", "challenge": "../.."},
        {"type": "Unlock", "passphrase": "x"},
        {"type": "FromKernel", "grant": "g", "request": {"type": "Status"}},
        ["MfaState"],
    ):
        assert officer.post("/jupyter_secure/mfa", json=body).status_code == 400
    reset = officer.post("/jupyter_secure/mfa", json={"type": "MfaReset", "user": "steward"})
    assert (reset.status_code, reset.json()["code"]) == (404, "refused")
    forged = officer.post("/jupyter_secure/mfa", json={"type": "MfaState"}, headers={"X-XSRFToken": "none"})
    assert forged.status_code == 403
    assert Browser(server).get("/jupyter_secure/mfa").status_code in {401, 403}


def test_an_address_is_told_to_be_no_place_for_passkeys(lab):
    sidebar = panel(lab("officer", host="127.0.0.1"))
    sidebar.get_by_text(re.compile(r"Open http://localhost:\d+/lab instead, or use an app")).wait_for()
    assert sidebar.get_by_role("button", name="Add a passkey").count() == 0
    sidebar.get_by_role("button", name="Add an app for codes").wait_for()


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_enrolling_is_read_in_both_themes_and_done_by_keyboard(lab, theme):
    shown = lab("officer")
    choose_theme(shown, theme)
    add = panel(shown).get_by_role("button", name="Add an app for codes")
    take_focus(add)
    shown.keyboard.press("Enter")
    field = panel(shown).get_by_label("The code that the app shows now")
    field.wait_for()
    shown.wait_for_timeout(1000)
    assert min(ratio for _, ratio in shown.evaluate(CONTRAST)) >= 3.0
    take_focus(field)
    reached = []
    for _ in range(3):
        shown.keyboard.press("Tab")
        reached.append(shown.evaluate("document.activeElement.textContent"))
    assert reached[:2] == ["Confirm", "Cancel"]
