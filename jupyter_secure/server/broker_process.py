"""The broker as a child of the server: started, watched, restarted, ended.

Promises: it is started from the main thread as `python -I -m jupyter_secure.broker --fd N --vault PATH`, in a session
of its own, with an environment of a few named variables and one inherited socket; when it dies the log says so, each
waiting request has failed already, and a new one is started after a growing pause; grants live in its store, so
kernels keep their channels; at the end of the server no process is left, and if the server is killed the broker sees
the socket's end and leaves by itself.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError, SecureError, UnavailableError
from jupyter_secure.protocol.messages import Stop, UnlockFromKeyring
from jupyter_secure.protocol.wire import pair

from .opening import open_vault
from .upstream import Upstream

COMMAND: tuple[str, ...] = (sys.executable, "-I", "-m", "jupyter_secure.broker")
# What a broker may know of the person's environment; the two bus names lead to the operating system's keyring.
ENVIRONMENT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
PAUSES = (0.1, 0.5, 2.0, 5.0, 15.0, 60.0)  # seconds; the last one is repeated
STEADY = 60.0  # seconds a broker lives before its death counts as the first again
PATIENCE = 5.0
_NOT_STARTED = "The broker did not start. The lines above say why; `jupyter secure doctor` looks for more."


class BrokerProcess:
    """One broker at a time.

    Args:
        vault: the vault's folder.
        upstream: who speaks with it.
        unlock: where the passphrase comes from.
        fd: the descriptor for `unlock` = `fd`.
        changed: called when it has come or gone.
        log: for the operator.
    """

    def __init__(
        self,
        vault: str,
        upstream: Upstream,
        *,
        unlock: str,
        fd: int,
        changed: Callable[[], None],
        log: logging.Logger,
    ) -> None:
        self._vault = vault
        self._upstream = upstream
        self._unlock = unlock
        self._fd = fd
        self._changed = changed
        self._log = log
        self._stopping = False
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._watch: asyncio.Task[None] | None = None
        self._greeting: asyncio.Task[None] | None = None
        self._started = 0.0
        atexit.register(self._kill)

    @property
    def pid(self) -> int | None:
        """The process id, None if there is none."""
        return None if self._process is None else self._process.pid

    def spawn(self) -> None:
        """Start the process; it is not waited for."""
        ours, theirs = pair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - a fixed command, no shell
                [*COMMAND, "--fd", str(theirs.fileno()), "--vault", self._vault],
                pass_fds=[theirs.fileno()],
                env=clean_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno() if _has_descriptor() else None,
                start_new_session=True,
                cwd="/",
            )
        self._sock = ours
        self._started = time.monotonic()

    def open(self) -> None:
        """Wait for its first answer and open the vault if that is possible here and now.

        Raises:
            InstallationError: it ended or stayed silent; why it ended is on its standard error, which is ours.
        """
        assert self._sock is not None
        try:
            open_vault(self._sock, self._unlock, self._fd, self._log)
        except UnavailableError as error:
            raise InstallationError(_NOT_STARTED, detail=error.detail) from None

    def watch(self) -> None:
        """Serve and restart it from now on, inside the running event loop."""
        self._watch = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End it in good order, by force if it does not listen."""
        self._stopping = True
        with contextlib.suppress(SecureError):
            await self._upstream.request(Stop(), patience=PATIENCE)
        if self._sock is not None:
            self._sock.close()  # whoever was never asked to stop sees the end of the socket
        await self._reap()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        atexit.unregister(self._kill)

    async def _run(self) -> None:
        failures = 0
        while not self._stopping:
            assert self._sock is not None
            with contextlib.suppress(InvalidRequestError):  # it talks nonsense: end it like one that died
                await self._upstream.serve(self._sock)
            if self._stopping:
                return
            status = await self._reap()
            failures = 0 if time.monotonic() - self._started > STEADY else failures + 1
            pause = PAUSES[min(failures, len(PAUSES)) - 1] if failures else PAUSES[0]
            self._log.error("The broker ended (status %s). Nothing was lost; restarting in %s s.", status, pause)
            self._changed()
            await asyncio.sleep(pause)
            while not self._spawned():  # noqa: ASYNC110 - what is waited for sends no event
                await asyncio.sleep(PAUSES[-1])
            # It runs at the next pause of this task, and by then `serve` has taken up the new socket.
            self._greeting = asyncio.get_running_loop().create_task(self._greet())

    def _spawned(self) -> bool:
        try:
            self.spawn()
        except OSError as error:  # no memory, no descriptors
            self._log.error("The broker cannot be started (%s). Trying again in %s s.", error, PAUSES[-1])
            return False
        return True

    async def _greet(self) -> None:
        opened = False
        if self._unlock == "keyring":
            with contextlib.suppress(SecureError):
                await self._upstream.request(UnlockFromKeyring(), patience=PATIENCE * 6)
                opened = True
        if not opened:
            self._log.warning("The vault is locked again. Unlock it in the Secure Data sidebar.")
        self._changed()

    async def _reap(self) -> int | None:
        """Wait for the end of the process, by force if need be, and return its status."""
        if self._process is None:
            return None
        for force in (None, self._process.terminate, self._process.kill):
            if force is not None:
                force()
            try:
                return await asyncio.to_thread(self._process.wait, PATIENCE)
            except subprocess.TimeoutExpired:
                continue
        return None

    def _kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def clean_environment(full: Mapping[str, str]) -> dict[str, str]:
    """Return the few variables that a broker is given."""
    return {name: value for name, value in full.items() if name in ENVIRONMENT or name.startswith("LC_")}


def _has_descriptor() -> bool:
    try:
        sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return False
    return True
