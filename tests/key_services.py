"""The services that hold keys: a real OpenBao, a real SoftHSM, and moto in the place of AWS; all on loopback."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import requests
from moto.server import ThreadedMotoServer

TOKEN = "root-token-of-the-tests"
PIN = "418-pin-of-the-tests"
REGION = "eu-central-1"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")


class Service(NamedTuple):
    """Where keys are held: the URI of a key in it, and what opens it."""

    uri: str
    secret: str


class Bao:
    """A development server of OpenBao, with a transit engine; its keys live as long as it does."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        program = Path(sys.executable).parent / "bao"
        command = [
            program,
            "server",
            "-dev",
            f"-dev-root-token-id={TOKEN}",
            f"-dev-listen-address=127.0.0.1:{self.port}",
        ]
        self._log = (folder / "bao.log").open("wb")
        self.process = subprocess.Popen(
            [*command, "-dev-no-store-token"],
            stdout=self._log,
            stderr=self._log,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        )
        self._wait()
        self.ask("POST", "sys/mounts/transit", {"type": "transit"})

    def ask(self, method, path, body=None, token=TOKEN):
        """Ask the service, as its administrator."""
        answer = requests.request(
            method, f"{self.address}/v1/{path}", json=body, headers={"X-Vault-Token": token}, timeout=10
        )
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def token(self, rules, **limits):
        """Return a token that may do what the rules say."""
        self.ask("PUT", "sys/policies/acl/made", {"policy": rules})
        return self.ask("POST", "auth/token/create", {"policies": ["made"], "no_parent": True, **limits})["auth"][
            "client_token"
        ]

    def stop(self):
        """End the server."""
        self.process.terminate()
        self.process.wait(30)
        self._log.close()

    def _wait(self):
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.address}/v1/sys/health", timeout=2).ok:
                    return
            assert time.monotonic() < end
            assert self.process.poll() is None
            time.sleep(0.05)


@contextlib.contextmanager
def bao(folder):
    """Run OpenBao."""
    server = Bao(folder)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def softhsm(folder):
    """Make a token in software and give the start of a URI: module and token."""
    program = shutil.which("softhsm2-util")
    module = next((path for path in MODULES if Path(path).exists()), None)
    assert program, "softhsm2 is missing: sh setup/system.sh softhsm2"
    assert module, "softhsm2 is missing: sh setup/system.sh softhsm2"
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(config)  # the module reads it when it is loaded into this process
    try:
        made = [program, "--init-token", "--free", "--label", "vault", "--pin", PIN, "--so-pin", "officers-pin"]
        subprocess.run(made, check=True, capture_output=True)
        yield f"pkcs11:{module}?token=vault"
    finally:
        os.environ.pop("SOFTHSM2_CONF")
        if before is not None:
            os.environ["SOFTHSM2_CONF"] = before


@contextlib.contextmanager
def aws(monkeypatch):
    """Run moto and point AWS's library to it; gives its address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
