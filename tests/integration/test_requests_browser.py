"""Asking and approving in two sidebars at once, in a real Chromium: the scientist's and the steward's."""

import re
from contextlib import ExitStack

import pytest

from jupyter_secure.cli import demo
from tests.integration import demo_server, requests_server
from tests.integration.browser import chromium, log_in, open_panel, page
from tests.integration.requests_server import LOAD, TERMS

pytestmark = pytest.mark.slow
TIMEOUT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("requests")
    server = requests_server.start(folder)
    try:
        yield server
    finally:
        server.stop()
        demo_server.verify(folder)


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def lab(server, browser):
    """Return a function that opens a notebook as a person, in a context of its own, and shows the sidebar."""
    with ExitStack() as pages:

        def open_as(name, path="study.ipynb"):
            shown = pages.enter_context(page(browser, width=1500, height=1400))
            log_in(
                shown,
                f"{server.url.replace('127.0.0.1', 'localhost')}/lab{f'/tree/{path}' if path else ''}?reset",
                name,
                demo.password(name),
            )
            shown.locator(".jp-Notebook .jp-Cell" if path else ".jp-Launcher").first.wait_for(timeout=60_000)
            open_panel(shown)
            return shown

        yield open_as


def panel(shown):
    return shown.get_by_role("region", name="Secure Data")


def run(shown, code):
    """Replace the first cell and run it; return its output."""
    cell = shown.locator(".jp-Notebook .jp-CodeCell").first
    cell.locator(".cm-content").click()
    shown.keyboard.press("Control+a")
    shown.keyboard.insert_text(code)
    shown.keyboard.press("Control+Enter")
    return cell.locator(".jp-OutputArea-output")


def test_asked_in_one_sidebar_approved_in_another_used_and_revoked(lab):
    scientist = lab("scientist")
    sidebar = panel(scientist)
    sidebar.get_by_text("G3", exact=True).first.wait_for(timeout=TIMEOUT)
    run(scientist, LOAD).filter(has_text="secure_request patients --as raw").first.wait_for(timeout=60_000)

    steward = lab("steward", path=None)
    approvals = panel(steward).get_by_role("region", name="Approvals")
    approvals.get_by_text("Nobody waits").wait_for(timeout=TIMEOUT)

    # The terms, then the request, from the entry of the catalog.
    sidebar.get_by_text(TERMS).wait_for(timeout=TIMEOUT)
    sidebar.get_by_role("button", name=re.compile("I acknowledge")).click()
    sidebar.get_by_text(TERMS).wait_for(state="detached", timeout=TIMEOUT)
    datasets = sidebar.get_by_role("region", name="Datasets")
    datasets.get_by_role("button", name=re.compile("Request access to patients")).click()
    form = sidebar.get_by_role("form", name="Request access")
    form.get_by_label("Reason").fill("Weight after <b>quitting</b>")
    form.get_by_label("Days").fill("5")
    form.get_by_role("button", name="Ask").click()
    mine = sidebar.get_by_role("list", name="My requests")
    mine.get_by_text("waits for a steward or an officer").wait_for(timeout=TIMEOUT)

    # It appears at the steward's without a reload.
    waiting = approvals.get_by_role("list", name="Waiting for a decision")
    waiting.get_by_text("Weight after <b>quitting</b>").wait_for(timeout=TIMEOUT)
    waiting.get_by_text("asks for patients as raw for cohort-study, for 5 days").wait_for()
    waiting.get_by_role("spinbutton", name="Days").fill("3")
    waiting.get_by_role("textbox", name="Note").fill("for the study")
    waiting.get_by_role("button", name="Approve").click()

    # And at the scientist's: the state, the rung, the data.
    mine.get_by_text(re.compile("approved by steward until.*for the study")).wait_for(timeout=TIMEOUT)
    datasets.get_by_role("list", name="Permitted as").get_by_text("raw").wait_for(timeout=TIMEOUT)
    run(scientist, f"{LOAD}\ndf.shape").filter(has_text="(1629, 21)").first.wait_for(timeout=60_000)

    decided = approvals.get_by_role("list", name="Decided")
    decided.get_by_role("button", name=re.compile("Revoke")).click()
    mine.get_by_text("revoked by steward").wait_for(timeout=TIMEOUT)
    run(scientist, LOAD).filter(has_text="not available to you").first.wait_for(timeout=60_000)


def test_a_near_miss_and_a_refusal_in_the_log_open_the_form(lab):
    scientist = lab("scientist")
    sidebar = panel(scientist)
    sidebar.get_by_text(re.compile("21 columns")).click(timeout=TIMEOUT)
    sidebar.get_by_role("button", name="Why is ssn left out?").click()
    row = sidebar.locator(".jp-Secure-misses").first
    row.get_by_role("button", name=re.compile("Request access")).click(timeout=TIMEOUT)
    form = sidebar.get_by_role("form", name="Request access")
    form.get_by_label("Reason").wait_for()
    form.get_by_role("button", name="Cancel").click()
    form.wait_for(state="detached")
    run(scientist, LOAD)
    log = sidebar.get_by_role("table", name="Access log of this notebook")
    refused = log.get_by_role("row", name=re.compile("patients.*refused"))
    refused.get_by_role("button", name=re.compile("Request access")).first.click(timeout=60_000)
    form.get_by_label("Reason").wait_for()


def test_a_steward_is_told_that_he_cannot_decide_for_himself_and_sees_no_way_to(lab):
    steward = lab("steward")
    sidebar = panel(steward)
    terms = sidebar.get_by_role("button", name=re.compile("I acknowledge"))
    terms.click(timeout=TIMEOUT)
    terms.wait_for(state="detached", timeout=TIMEOUT)
    sidebar.get_by_role("button", name="Request access…").click()
    form = sidebar.get_by_role("form", name="Request access")
    form.get_by_label("Reason").fill("for myself")
    form.get_by_role("button", name="Ask").click()
    mine = sidebar.get_by_role("list", name="My requests")
    mine.get_by_text("waits for a steward or an officer").wait_for(timeout=TIMEOUT)
    approvals = sidebar.get_by_role("region", name="Approvals")
    assert approvals.get_by_text("for myself").count() == 0
    mine.get_by_role("button", name=re.compile("Withdraw")).click()
    mine.get_by_text("given back").wait_for(timeout=TIMEOUT)
