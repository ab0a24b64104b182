"""The sidebar on a real Hub, in a real Chromium: login form, start of the server, identity, datasets, log."""

import contextlib
import re
from urllib.parse import quote

import pytest

from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.cli import demo, demo_data
from jupyter_secure.protocol.record import Kind
from tests.integration.browser import add_authenticator, chromium, open_panel, page
from tests.integration.demo_server import NOTEBOOK
from tests.integration.hub.hub_process import password
from tests.integration.test_panel_browser import run_cell

pytestmark = pytest.mark.slow
FRESH = """
[[rule]]
id = "fresh"
to = ["role:steward"]
datasets = ["patients"]
view = "raw"
when = { mfa_max_age = "5m" }
"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def stepping_up(hub):
    """Ask stewards for a fresh second factor, for one test."""

    def apply(text):
        with Vault.open_locked(hub.vault) as vault:
            vault.unlock(demo.PASSPHRASE)
            Policies(vault).apply(text)

    apply(demo_data.policy_text().split("[[rule]]")[0] + FRESH)
    yield
    apply(demo_data.policy_text())


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
    shown.goto(f"{hub.origin}/hub/login?next={after}")
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


def test_a_passkey_made_on_the_hubs_page_approves_one_load(hub, browser, stepping_up):
    with page(browser, width=1500, height=1400) as shown, pictured(shown, hub.folder / "passkey.png"):
        panel = log_in(shown, hub, "steward")
        panel.get_by_text(re.compile("^Second factor:")).click()
        add_authenticator(shown)
        panel.get_by_role("button", name="Add a passkey").click()
        panel.get_by_role("button", name="I have kept them").click()
        panel.get_by_text(re.compile("^Second factor: *1 passkey")).wait_for()
        run_cell(shown, "df = %secure_load patients --as raw --quiet\nprint('rows', len(df))", level="G0")
        asked = panel.get_by_role("region", name="Verify patients as raw")
        asked.get_by_role("button", name="Use a passkey").click(timeout=60_000)
        asked.wait_for(state="detached")
        field = shown.locator(".jp-Notebook .jp-Stdin-input")
        field.wait_for(timeout=60_000)
        field.press("Enter")
        shown.get_by_text("rows 1629").wait_for(timeout=60_000)
    with Vault.open_locked(hub.vault) as vault:
        [proof] = vault.audit.entries(kinds=(Kind.MFA_VERIFIED,))
    assert (proof.personal.user, proof.header.extra["method"]) == ("steward", "passkey")
