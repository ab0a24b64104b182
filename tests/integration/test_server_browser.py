"""JupyterLab in a real Chromium under our headers: it works, and an output cannot call out."""

import time

import pytest

from tests.integration import browser
from tests.integration.listening import elsewhere
from tests.integration.server_process import PASSWORD, STAND_IN, Server

pytestmark = pytest.mark.slow

CONFIG = f"""
import sys
from jupyter_secure.server import broker_process
broker_process.COMMAND = (sys.executable, "-I", {str(STAND_IN)!r})
"""
CELL = """
from IPython.display import HTML, Javascript, display
there = "http://127.0.0.1:{port}/"
display(HTML('<img src="' + there + 'img"><script>fetch("' + there + 'html")</script>'))
display(HTML('<svg onload="fetch(&quot;' + there + 'event&quot;)"></svg><link rel=stylesheet href="' + there + 'css">'))
display(Javascript('document.body.dataset.ran = 1; fetch("' + there + 'js")'))
print(6 * 7)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("lab"), config=CONFIG, program="jupyterlab")
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as opened:
        yield opened


@pytest.fixture
def listener():
    with elsewhere() as listening:
        yield listening


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_login_page_can_be_used_by_keyboard_in_both_schemes(server, chromium, scheme):
    with browser.page(chromium, scheme=scheme) as page:
        page.goto(f"{server.url}/login")
        colours = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        assert colours == (
            ["rgb(17, 17, 17)", "rgb(236, 236, 236)"] if scheme == "dark" else ["rgb(245, 245, 245)", "rgb(33, 33, 33)"]
        )
        page.keyboard.type("ann")
        page.keyboard.press("Tab")
        page.keyboard.type("not the password")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        assert page.get_by_label("Name").input_value() == "ann"
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/lab**")


def test_jupyterlab_works_and_an_output_cannot_call_out(server, chromium, listener):
    with browser.page(chromium) as page:
        page.goto(f"{server.url}/login?next=/lab")
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click()
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
        page.locator(".jp-Notebook .cm-content").first.click()
        page.locator(".jp-Notebook .cm-content").first.fill(CELL.format(port=listener.server_port))
        page.keyboard.press("Shift+Enter")
        page.locator(".jp-OutputArea-output", has_text="42").wait_for(timeout=60_000)
        page.wait_for_timeout(500)
        assert page.evaluate("document.body.dataset.ran") is None
    assert listener.heard == []


SAVE_SOON = """
async () => {
    const xsrf = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)[1];
    const answer = await fetch("/lab/api/settings/@jupyterlab/docmanager-extension:plugin", {
        method: "PUT",
        headers: {"X-XSRFToken": xsrf, "Content-Type": "application/json"},
        body: JSON.stringify({raw: JSON.stringify({autosaveInterval: 1})}),
    });
    return answer.status;
}
"""


def test_a_notebook_with_a_guarded_kernel_is_saved_by_itself(server, chromium):
    with browser.page(chromium) as page:
        page.goto(f"{server.url}/login?next=/lab/workspaces/saving")  # what is open here is not opened by another test
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.locator('.jp-LauncherCard[data-category="Notebook"]').first.wait_for(timeout=60_000)
        assert page.evaluate(SAVE_SOON) == 204
        page.reload()
        page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click()
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
        page.locator(".jp-Notebook .cm-content").first.click()
        page.locator(".jp-Notebook .cm-content").first.fill("print(6 * 7 * 1000)")
        page.keyboard.press("Shift+Enter")
        page.locator(".jp-OutputArea-output", has_text="42000").wait_for(timeout=60_000)
        # The cell alone: without a broker that compares them, outputs are not kept.
        deadline = time.monotonic() + 60
        while not any("6 * 7 * 1000" in path.read_text() for path in server.root.glob("Untitled*.ipynb")):
            assert time.monotonic() < deadline
            page.wait_for_timeout(200)
