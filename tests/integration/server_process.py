"""A real Jupyter server in a process of its own, with our extension switched on for it alone."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import requests
import websocket

REPOSITORY = Path(__file__).parents[2]
SERVER_CONFIG = REPOSITORY / "jupyter-config" / "server-config" / "jupyter_secure.json"
STAND_IN = REPOSITORY / "tests" / "unit" / "server" / "stand_in_broker.py"
PASSWORD = "correct horse battery"
PASSPHRASE = "open sesame please"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Server:
    """`python -m jupyter_server` in `folder`; `config` is Python text read as the person's own configuration."""

    def __init__(
        self,
        folder,
        *arguments,
        config="",
        passphrase=PASSPHRASE,
        program="jupyter_server",
        vault=None,
        ip="127.0.0.1",
    ):
        self.folder = folder
        self.root = folder / "root"
        self.vault = vault or folder / "vault"
        self.log_path = folder / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        for made in (self.root, folder / "vault", folder / "home"):
            made.mkdir(exist_ok=True)
        self._process = self._start(program, arguments, config, passphrase, ip)

    def _start(self, program, arguments, config, passphrase, ip):
        enabled = self.folder / "etc" / "jupyter_server_config.d"
        enabled.mkdir(parents=True, exist_ok=True)
        shutil.copy(SERVER_CONFIG, enabled)
        home = self.folder / "config"
        home.mkdir(exist_ok=True)
        (home / "jupyter_server_config.py").write_text(config)
        read, write = os.pipe()
        os.write(write, passphrase.encode() + b"\n")
        os.close(write)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))},
            "HOME": str(self.folder / "home"),
            "JUPYTER_CONFIG_DIR": str(home),
            "JUPYTER_CONFIG_PATH": str(self.folder / "etc"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "run"),
        }
        try:
            with self.log_path.open("wb") as log:
                return subprocess.Popen(
                    [
                        *(sys.executable, "-m", program, "--no-browser", "--allow-root", f"--ip={ip}"),
                        f"--port={self.port}",
                        "--ServerApp.port_retries=0",
                        f"--ServerApp.root_dir={self.root}",
                        f"--SecureApp.vault={self.vault}",
                        *(["--SecureApp.unlock=fd", f"--SecureApp.unlock_fd={read}"] if passphrase else []),
                        *arguments,
                    ],
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    pass_fds=[read],
                    cwd=self.root,
                    start_new_session=True,
                )
        finally:
            os.close(read)

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def pid(self):
        return self._process.pid

    def wait_until_ready(self):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended: {self.log}")
            try:
                requests.get(f"{self.url}/login", timeout=5)
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.05)
            else:
                return self
        raise AssertionError(f"the server did not answer: {self.log}")

    def status(self):
        """Wait for the end and return the exit status."""
        return self._process.wait(timeout=200)

    def children(self):
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except (OSError, ValueError):
                    continue
                if parent == self.pid:
                    found.append(int(entry.name))
        return found

    def broker(self):
        """Return the process id of the broker."""
        for pid in self.children():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"jupyter_secure.broker" in command or b"stand_in_broker" in command:
                return pid
        raise AssertionError("there is no broker")

    def stop(self, number=signal.SIGTERM):
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                raise

    def person(self, name, password=PASSWORD):
        """Log in and return a browser."""
        browser = Browser(self)
        answer = browser.login(name, password)
        assert answer.status_code == 302, answer.text
        return browser


class Browser(requests.Session):
    """Cookies, the XSRF header and relative addresses."""

    def __init__(self, server):
        super().__init__()
        self.server = server

    def request(self, method, url, **options):
        headers = {"Referer": self.server.url, **options.pop("headers", {})}
        if "_xsrf" in self.cookies:
            headers.setdefault("X-XSRFToken", self.cookies["_xsrf"])
        options.setdefault("timeout", 60)
        return super().request(method, self.server.url + url, headers=headers, **options)

    def login(self, name, password, after="/api/status"):
        form = self.get("/login").text
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', form)[1]
        return self.post(
            f"/login?next={quote(after)}",
            data={"_xsrf": xsrf, "username": name, "password": password},
            allow_redirects=False,
        )

    def socket(self, path):
        """Open a websocket."""
        cookie = "; ".join(f"{item.name}={item.value}" for item in self.cookies)
        address = self.server.url.replace("http", "ws") + path
        return websocket.create_connection(address, cookie=cookie, origin=self.server.url, timeout=60)

    def start_kernel(self, path="a.ipynb"):
        """Start a session with a kernel and return its model."""
        answer = self.post(
            "/api/sessions",
            json={"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    def until(self, path, good, seconds=60):
        """Ask again until the answer is good."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.get(path)
            if good(answer):
                return answer
            assert time.monotonic() < deadline, (answer.status_code, answer.text, json.dumps(self.server.log[-3000:]))
            time.sleep(0.1)
