"""Who is let in where: every endpoint of a running JupyterLab, asked by everybody, and the table of it."""

import pathlib

import pytest

from tests.attacks.server.endpoints import render, served, table

pytestmark = pytest.mark.slow
PAGE = pathlib.Path(__file__).parents[3] / "docs" / "endpoints.md"
# What nobody who has not logged in may see: pages and files that come with the software, and where things moved to.
PUBLIC = (
    "/(favicon",
    "/(robots",
    "/.*/",
    "/?",
    "/api$",
    "/api/notebooks",
    "/lab/api/themes",
    "/lab/extensions",
    "/login",
    "/logout",
    "/static",
)
CHANGES = {"post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    server, routes = served(tmp_path_factory.mktemp("endpoints"))
    try:
        return table(server, routes)
    finally:
        server.stop()


def test_the_table_in_the_documents_is_what_the_server_does(rows):
    """A new endpoint of an update fails here until somebody has looked at it: see `render`."""
    assert render(rows).strip() in PAGE.read_text(), render(rows)


def test_nobody_gets_past_the_login_but_to_public_files(rows):
    open_to_nobody = {pattern for pattern, _, (nobody, *_) in rows if nobody}
    assert {pattern for pattern in open_to_nobody if not pattern.startswith(PUBLIC)} == set()


def test_without_a_role_nothing_is_changed(rows):
    own = ("/api/me", "/api/security/csp-report", "/api/notebooks", "/.*/")  # a refusal in words, a report, a redirect
    changed = {pattern for pattern, method, (_, vera, *_) in rows if vera and method in CHANGES}
    assert {pattern for pattern in changed if not pattern.startswith(own)} == set()


@pytest.mark.parametrize(
    "closed", ["/lab/api/build", "/lab/api/extensions", "/lab/api/plugins", "/api/config", "/api/events$"]
)
def test_nobody_changes_the_software_of_the_server(rows, closed):
    asked = [who for pattern, method, who in rows if pattern.startswith(closed) and method in CHANGES]
    assert asked
    assert not any(any(who) for who in asked)


def test_the_end_of_the_server_is_the_stewards(rows):
    assert [who for pattern, _, who in rows if pattern.startswith("/api/shutdown")] == [(False, False, False, True)]


def test_there_are_no_terminals_and_no_language_servers(rows):
    assert not [pattern for pattern, *_ in rows if "terminal" in pattern or "/lsp" in pattern]
