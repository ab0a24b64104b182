"""A guarded kernel reaches what policy names, through the guard's proxy, and nothing else; verdicts from the far side.

The far sides are servers on loopback addresses of this computer, which policy names by address.
"""

import contextlib
import hashlib
import io
import os
import socketserver
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.cli import demo, demo_data
from jupyter_secure.protocol.record import Kind
from tests.attacks.confined import unavailable
from tests.integration import demo_server
from tests.integration.demo_server import KernelSession

pytestmark = pytest.mark.slow
LISTED, LATER, UNLISTED = "127.0.0.2", "127.0.0.3", "127.0.0.4"


def wheel():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        made.writestr("egress_probe.py", "ANSWER = 42\n")
        made.writestr(
            "egress_probe-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: egress-probe\nVersion: 1.0\n"
        )
        made.writestr(
            "egress_probe-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        made.writestr("egress_probe-1.0.dist-info/RECORD", "")
    return content.getvalue()


WHEEL = wheel()
NAME = "egress_probe-1.0-py3-none-any.whl"
INDEX = f'<a href="/files/{NAME}#sha256={hashlib.sha256(WHEEL).hexdigest()}">{NAME}</a>'.encode()


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.heard.append(self.path)
        body = {"/simple/egress-probe/": INDEX, f"/files/{NAME}": WHEEL}.get(self.path, b"hello")
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if body is INDEX else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.heard.append("connected")
        with contextlib.suppress(OSError):
            while piece := self.request.recv(100):
                self.server.received += piece
                self.request.sendall(piece)
        self.server.ended.set()


class Echoes(socketserver.ThreadingTCPServer):
    daemon_threads = True


def serve(server):
    server.heard, server.received, server.ended = [], b"", threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def far():
    """The far sides by name."""
    sides = {
        "pages": serve(ThreadingHTTPServer((LISTED, 0), Pages)),
        "echo": serve(Echoes((LISTED, 0), Echo)),
        "later": serve(ThreadingHTTPServer((LATER, 0), Pages)),
        "unlisted": serve(ThreadingHTTPServer((UNLISTED, 0), Pages)),
    }
    yield sides
    for server in sides.values():
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, far):
    if why := unavailable("G3", "self"):
        (pytest.fail if "CI" in os.environ else pytest.skip)(why)
    folder = tmp_path_factory.mktemp("egress")
    place = {name: "{}:{}".format(*side.server_address) for name, side in far.items()}
    demo.make_vault(folder / "vault")
    with Vault.open_locked(folder / "vault") as vault:
        vault.unlock(demo.PASSPHRASE)
        Policies(vault).apply(f"""{demo_data.policy_text()}
[[egress]]
id = "before"
to = ["role:scientist"]
hosts = ["{place["pages"]}", "{place["echo"]}", "localhost:{far["unlisted"].server_address[1]}"]

[[egress]]
id = "always"
to = ["role:scientist"]
hosts = ["{place["later"]}"]
after = ["masked"]
""")
    running = demo_server.Server(folder, program="jupyterlab", passphrase=demo.PASSPHRASE, vault=folder / "vault")
    try:
        yield running.wait_until_ready()
    finally:
        running.stop()
        demo_server.verify(folder)


@pytest.fixture
def kernel(server):
    opened = KernelSession(server.person("scientist", demo.password("scientist")), f"{os.urandom(4).hex()}.ipynb")
    yield opened
    opened.close()


def url(side):
    return "http://{}:{}/".format(*side.server_address)


FETCH = """
import urllib.request, urllib.error
def fetch(address):
    try:
        return urllib.request.urlopen(address, timeout=30).read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"
"""
TUNNEL = """
import socket
tunnel = socket.create_connection(("127.0.0.1", 3128), timeout=60)
tunnel.sendall(b"CONNECT {0}:{1} HTTP/1.1\\r\\n\\r\\n")
print(tunnel.recv(1000).split(b"\\r\\n")[0])
tunnel.sendall(b"marco")
print(tunnel.recv(5))
"""


def entries(server, far_side):
    with Vault.open_locked(server.vault) as vault:
        found = vault.audit.entries(kinds=(Kind.EGRESS_DECIDED,), limit=None)
        return [it.header.outcome for it in found if it.personal.note == "{}:{}".format(*far_side.server_address)]


def test_a_host_of_the_policy_is_reached_and_logged_and_another_is_refused_and_logged(kernel, server, far):
    address = "{}:{}".format(*far["pages"].server_address)
    assert f"{address}" in kernel.text("%secure_status")
    assert "hello" in kernel.text(f"{FETCH}\nprint(fetch({url(far['pages'])!r}))")
    assert "403" in kernel.text(f"print(fetch({url(far['unlisted'])!r}))")
    assert far["pages"].heard
    assert not far["unlisted"].heard
    assert "permitted" in entries(server, far["pages"])
    assert entries(server, far["unlisted"]) == ["refused"]
    path = kernel.model["path"]
    shown = kernel.browser.get(f"/jupyter_secure/session?path={path}").json()["kernel"]
    assert f"{address}, " in shown["network"]
    log = kernel.browser.get(f"/jupyter_secure/log?path={path}").json()["entries"]
    assert address in [it["personal"]["note"] for it in log if it["header"]["kind"] == "egress.decided"]


def test_a_name_in_the_policy_does_not_lead_into_this_computer(kernel, far):
    port = far["unlisted"].server_address[1]
    code = f"""{FETCH}
import os; os.environ.pop("no_proxy"); os.environ.pop("NO_PROXY")
print(fetch("http://localhost:{port}/"))"""
    assert "inside this computer" in kernel.text(code)
    assert not far["unlisted"].heard


def test_nothing_is_reached_without_the_proxy(kernel, far):
    before = len(far["pages"].heard)
    direct = f"import socket; socket.create_connection({far['pages'].server_address!r}, timeout=10)"
    assert "Error" in kernel.text(direct)
    assert len(far["pages"].heard) == before


def test_the_open_connection_ends_before_a_masked_view_is_there_and_a_new_one_is_refused(kernel, far):
    far["echo"].ended.clear()
    said = kernel.text(TUNNEL.format(*far["echo"].server_address))
    assert "200" in said
    assert "marco" in said
    code = """
df = %secure_load patients
try: tunnel.sendall(df.to_csv().encode()[:100]); print("back", tunnel.recv(100))
except OSError as error: print("back", error)
"""
    said = kernel.text(code)
    assert "back b''" in said or "Errno" in said
    assert far["echo"].ended.wait(60)
    assert "403" in kernel.text(TUNNEL.format(*far["echo"].server_address).split('tunnel.sendall(b"marco")')[0])
    assert (far["echo"].heard, far["echo"].received) == (["connected"], b"marco")
    status = kernel.text("%secure_status")
    assert "closed since patients was loaded" in status
    assert "hello" in kernel.text(f"{FETCH}\nprint(fetch({url(far['later'])!r}))")


def test_pip_installs_from_an_index_that_policy_names(kernel, far):
    host = far["pages"].server_address[0]
    code = (
        "!{__import__('sys').executable} -m pip install --no-cache-dir --disable-pip-version-check --target ./p"
        f" --index-url {url(far['pages'])}simple/ --trusted-host {host} egress-probe"
    )
    said = kernel.text(code, timeout=120)
    assert "Successfully installed egress-probe-1.0" in said, said
    assert "42" in kernel.text("import sys; sys.path.insert(0, './p'); import egress_probe; egress_probe.ANSWER")
    index = f"--index-url {url(far['pages'])}simple/ --trusted-host {host}"
    said = kernel.text(f"%pip install --no-cache-dir {index} egress-probe", timeout=120)
    assert "Successfully installed egress-probe-1.0" in said, said


def test_another_kernels_way_out_is_not_seen(server, kernel):
    other = KernelSession(server.person("engineer", demo.password("engineer")), "other.ipynb")
    try:
        mine = kernel.text("import os; print(os.environ['HOME'])").strip()
        folder = Path(mine).parent
        assert (folder / "c" / "net").exists()
        seen = f"import os; print(os.path.exists('{folder}'), 'HTTP_PROXY' in os.environ)"
        assert other.text(seen).strip() == "False False"
        assert "No network." in other.text("%secure_status")
        reach = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('{folder}/c/net')"
        assert "FileNotFoundError" in other.text(reach)
    finally:
        other.close()


def test_the_kernel_cannot_put_another_socket_in_its_place(kernel):
    said = kernel.text("import os; home = os.environ['HOME']; os.remove(os.path.dirname(home) + '/c/net')")
    assert "Read-only" in said or "Permission" in said


def test_no_log_no_connection(kernel, server, far):
    before = len(far["later"].heard)
    kernel.run(FETCH)
    with Vault.open_locked(server.vault) as vault, vault.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS hold (x)")
        connection.exec_driver_sql("INSERT INTO hold VALUES (1)")  # the one writer's lock is ours
        said = kernel.text(f"print(fetch({url(far['later'])!r}))", timeout=120)
        assert "503" in said, said
        assert len(far["later"].heard) == before
        connection.rollback()
    assert "hello" in kernel.text(f"print(fetch({url(far['later'])!r}))")


def test_a_restarted_kernel_begins_anew(kernel, far):
    kernel.run("df = %secure_load patients")
    assert "403" in kernel.text(f"{FETCH}\nprint(fetch({url(far['pages'])!r}))")
    assert kernel.browser.post(f"/api/kernels/{kernel.id}/restart").status_code == 200
    kernel.socket.close()
    kernel.socket = kernel.browser.socket(f"/api/kernels/{kernel.id}/channels?session_id={os.urandom(8).hex()}")
    assert "hello" in kernel.text(f"{FETCH}\nprint(fetch({url(far['pages'])!r}))")
