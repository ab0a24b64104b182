"""A real Chromium for tests: found on the computer, never downloaded, silent towards the network.

`chromium()` gives a browser, `page()` a page that knows its faults: at the end of the block it fails if the page threw
an error that nothing caught. Order of a test: `chromium`, `page`, `open_notebook`, `open_panel`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Locator, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60  # seconds until what is waited for is there, on a busy computer
QUIET = (
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str | None:
    """Return the path of the first Chromium there is, or None: a test then skips and says so."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def arguments() -> list[str]:
    """Return the command line; root cannot use Chromium's own sandbox, everybody else must."""
    root = os.geteuid() == 0
    return [*QUIET, "--no-sandbox"] if root else list(QUIET)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium without a window, and end it."""
    path = executable()
    if path is None:
        raise FileNotFoundError(f"none of {', '.join(NAMES)} is installed")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=arguments())
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page(
    browser: Browser, *, width: int = 1400, height: int = 900, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Page]:
    """Open a page in a fresh profile; uncaught errors of the page fail the block."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE * 1000)
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    try:
        yield opened
    finally:
        context.close()
    assert not faults, f"the page threw: {faults}"


def open_notebook(opened: Page, server: str, token: str, path: str, *, wait: float = 60) -> None:
    """Open a notebook in JupyterLab and wait for its first cell; `server` ends with a slash, `wait` is in seconds."""
    opened.goto(f"{server}lab/tree/{path}?token={token}&reset", wait_until="domcontentloaded")
    opened.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=wait * 1000)


def log_in(opened: Page, url: str, name: str, password: str) -> None:
    """Open an address of the server and answer its login form."""
    opened.goto(url)
    opened.get_by_label("Name").fill(name)
    opened.get_by_label("Password").fill(password)
    opened.get_by_label("Password").press("Enter")


def open_panel(opened: Page) -> None:
    """Show the sidebar the way a person does, by its tab."""
    tab = opened.locator('.jp-SideBar [data-id="jupyter-secure"]')
    tab.wait_for()
    if tab.get_attribute("aria-selected") != "true":
        tab.click()
    opened.get_by_role("region", name="Secure Data").wait_for()


def add_authenticator(opened: Page) -> None:
    """Plug in Chromium's own authenticator, which is touched at once and knows its person."""
    session = opened.context.new_cdp_session(opened)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasUserVerification": True, "isUserVerified": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, "automaticPresenceSimulation": True}})


def take_focus(wanted: Locator, *, tries: int = 40) -> None:
    """Focus an element and see that it stays so: JupyterLab gives the focus back to the notebook when a menu closes."""
    for _ in range(tries):
        wanted.focus()
        wanted.page.wait_for_timeout(250)
        if wanted.evaluate("node => node === document.activeElement"):
            return
    raise AssertionError("something else takes the focus away")
