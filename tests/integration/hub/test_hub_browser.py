"""The sidebar on a real Hub, in a real Chromium: login form, start of the server, identity, datasets, log."""

import contextlib
import re
from urllib.parse import quote

import pytest

from tests.integration.browser import chromium, open_panel, page
from tests.integration.demo_server import NOTEBOOK
from tests.integration.hub.hub_process import password

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@contextlib.contextmanager
def pictured(shown, path):
    """Take a picture at the end, also of what went wrong."""
    try:
        yield
    finally:
        shown.screenshot(path=path)


def log_in(shown, hub, name, path=NOTEBOOK):
    """Log in at the Hub's own form; the Hub starts the server and leads to the notebook."""
    after = quote(f"/hub/spawn/{name}?next={quote(f'/user/{name}/lab/tree/{path}')}")
    shown.goto(f"{hub.url}/hub/login?next={after}")
    shown.locator("#username_input").fill(name)
    shown.locator("#password_input").fill(password(name))
    shown.get_by_role("button", name="Sign in").click()
    shown.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=120_000)
    open_panel(shown)
    return shown.get_by_role("region", name="Secure Data")


def test_the_sidebar_shows_identity_datasets_and_log(hub, browser):
    with page(browser, width=1500, height=1400) as shown, pictured(shown, hub.folder / "sidebar.png"):
        panel = log_in(shown, hub, "scientist")
        panel.get_by_text("scientist").first.wait_for()
        panel.get_by_text(re.compile("1,629 rows")).wait_for(timeout=60_000)
        panel.get_by_text("G0", exact=True).first.wait_for(timeout=60_000)  # what the operator declared
        shown.get_by_role("menuitem", name="Run", exact=True).click()
        shown.get_by_role("menuitem", name=re.compile("Run All Cells")).first.click()
        log = panel.get_by_role("table", name="Access log of this notebook")
        log.get_by_role("row", name=re.compile("Load delivered.*patients v1.*masked")).first.wait_for(timeout=90_000)
        log.get_by_role("row", name=re.compile("payroll.*refused.*ask a data steward")).first.wait_for(timeout=60_000)
        log.get_by_role("row", name=re.compile("Query answered")).first.wait_for(timeout=60_000)
        assert panel.get_by_role("meter").count() >= 1


def test_an_unlock_form_is_nowhere_on_a_hub(hub, browser):
    with page(browser, width=1500, height=1400) as shown:
        panel = log_in(shown, hub, "engineer")
        panel.get_by_text(re.compile("1,629 rows")).wait_for(timeout=60_000)
        assert panel.get_by_label("Passphrase").count() == 0
