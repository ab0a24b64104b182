"""The broker as operators run it, for tests that kill it or count what it costs: `jupyter secure serve` in a process.

A vault over any database, the service over TLS on loopback, and a Hub's API in a thread of its own, so that it answers
while the test is busy. `testing.deployment` has the same inside the test's own process, which is faster and can be
looked into.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from jupyter_secure.broker.audit.verify import verify as verify_log
from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.ledger.verify import verify as verify_ledger
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.errors import InstallationError
from jupyter_secure.server.https import trusting

from .certificates import Authority
from .hub import HubApi
from .sealed_data import PASSPHRASE

SOON = 60.0  # seconds
TICKS = os.sysconf("SC_CLK_TCK")


class Served:
    """One vault, one Hub, and one process after another that serves them at the same port.

    Attributes:
        vault: open in this process too, to seal, to apply policies and to look at what is left.
        hub: to make tokens and take them away.
        tls: trusts the service.
    """

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        self.folder = folder
        self.vault = Vault.create(folder / "vault", PASSPHRASE, database_url=database_url)
        authority = Authority(folder)
        self._cert, self._key = authority.issue("broker")
        self.tls = trusting(str(authority.path))
        self.hub = HubApi()
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._ends.enter_context(_elsewhere(self.hub))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._ends.close()
        self.vault.close()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the service."""
        assert self._process is not None
        return self._process.pid

    def apply(self, policy: str) -> None:
        """Put a policy in force, as the command line does."""
        Policies(self.vault).apply(policy)

    def start(self) -> None:
        """Start the service, and return once it is ready.

        Raises:
            InstallationError: it ended, or never was.
        """
        command = [
            *(sys.executable, "-I", "-m", "jupyter_secure.cli.main", "serve", "--vault", str(self.folder / "vault")),
            *("--port", str(self.port), "--cert", str(self._cert), "--key", str(self._key)),
            *("--hub-api", self.hub.url, "--declared-guard", "G3", "--unlock", "fd"),
        ]
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log, cwd="/")  # noqa: S603 - ours
        assert self._process.stdin is not None
        with self._process.stdin as secret:
            secret.write(f"{PASSPHRASE}\n".encode())
        deadline = time.monotonic() + SOON
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise InstallationError(detail=(self.folder / "broker.log").read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def kill(self) -> None:
        """Let it end between two instructions."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it end in good order."""
        self._end(signal.SIGTERM)

    def verify(self) -> None:
        """Check every entry of log and ledger.

        Raises:
            AssertionError: the log does not verify.
            IntegrityError: the ledger does not.
        """
        self.vault.audit.checkpoint()
        report = verify_log(self.vault.engine, self.vault.verifier(Purpose.LOG).public)
        assert report.verified, report.problems
        verify_ledger(self.vault.engine)

    def processes(self) -> tuple[int, ...]:
        """Return the process ids of the service and its workers."""
        found = [self.pid]
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
        return tuple(found)

    def _ready(self) -> bool:
        with contextlib.suppress(urllib.error.URLError, OSError):
            return _status(f"{self.url}/ready", self.tls) == 200
        return False

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(SOON)


def memory(pid: int) -> int:
    """Return the most bytes that a process has had in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _status(url: str, tls: ssl.SSLContext) -> int:
    with urllib.request.urlopen(url, timeout=5, context=tls) as answer:  # noqa: S310 - our own service
        return int(answer.status)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def _elsewhere(hub: HubApi) -> Iterator[None]:
    """Let the Hub answer in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="hub", daemon=True)
    thread.start()

    async def start() -> None:
        hub.start()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(SOON)
        yield
        asyncio.run_coroutine_threadsafe(hub.stop(), loop).result(SOON)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
