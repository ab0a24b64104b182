"""One start of one command behind the walls of one plan, from the first descriptor to the last word.

Order: lay the bait, write the policy into a sealed memory file, (the caller starts the command), receive the launcher's
report, measure the process from outside, look at the bait, and only then say `go`. Promises: the process number comes
from the operating system (`SCM_CREDENTIALS`), not from the process; until `go` nothing of the kernel's has run; without
`go` nothing of it ever runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from jupyter_secure.protocol.errors import GuardError
from jupyter_secure.protocol.grant import GuardReport
from jupyter_secure.protocol.wire import seal_memory

from . import bubblewrap, level, outside
from .bait import Bait
from .plan import GuardPlan, Stack
from .policy import Ends, encode
from .probe import Host

LAUNCHER = str(Path(os.path.realpath(__file__)).parent / "launcher.py")
GO = b"go"
PATIENCE = 30.0  # seconds until the launcher must have reported
CREDENTIALS = struct.Struct("3i")  # `struct ucred`: pid, uid, gid


class Confinement:
    """`command` and `pass_fds` are for whoever starts the process; `close` when it runs, or when it failed."""

    def __init__(self, plan: GuardPlan, host: Host, *, keep: Sequence[int] = (), hidden: Sequence[str] = ()) -> None:
        self._plan, self._host = plan, host
        self._keep, self._hidden = tuple(keep), hidden
        self._stack = contextlib.ExitStack()
        self.pid = 0
        self._leash = -1
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Take the bait away and give the descriptors back. Idempotent."""
        self._stack.close()
        if self._leash >= 0:
            os.close(self.hand_over_leash())

    def hand_over_leash(self) -> int:
        """Return the end of the pipe whose closing ends the kernel, for the caller to close; -1 if there is none."""
        leash, self._leash = self._leash, -1
        return leash

    def _prepare(self) -> None:
        bait = Bait(self._hidden, str(Path(LAUNCHER).parent), self._plan.read_only)
        self._bait = self._stack.enter_context(bait)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._report, self._theirs = self._stack.enter_context(ours), self._stack.enter_context(theirs)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.setblocking(False)
        held = -1
        if self._plan.stack is Stack.LAUNCHER:
            held, self._leash = os.pipe()
            self._stack.callback(os.close, held)
        ends = Ends(report=theirs.fileno(), keep=self._keep, leash=held)
        policy = seal_memory("policy", encode(self._plan, ends, self._bait.described, self._host.machine))
        self._stack.callback(os.close, policy)
        launch = [python(), "-I", "-S", LAUNCHER, "--policy-fd", str(policy), "--", *self._plan.command]
        if self._plan.stack is Stack.BUBBLEWRAP:
            options = bubblewrap.arguments(self._plan, no_nested=self._host.bubblewrap.no_nested)
            launch = [self._host.bubblewrap.path, *options, *launch]
        self.command = launch
        self.pass_fds = tuple(fd for fd in (policy, ends.report, held, *self._keep) if fd >= 0)

    def launch(self, log: int, *further: int) -> subprocess.Popen[bytes]:
        """Start the command here and now, for whoever needs no more; `log` takes what it prints and is closed.

        Args:
            log: a descriptor.
            further: descriptors that somebody forgot, for seeing that they are closed.
        """
        try:
            return subprocess.Popen(  # noqa: S603  # our own command line
                self.command,
                pass_fds=(*self.pass_fds, *further),
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def settle(self, process: int) -> GuardReport:
        """Wait for the walls of the started process and return their measurement; `release` or leave afterwards.

        Raises:
            GuardError: the launcher failed or did not report in time.
        """
        self._theirs.close()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._readable_or_ended(process)
            data, ancillary, _, _ = self._report.recvmsg(65536, socket.CMSG_SPACE(CREDENTIALS.size))
        except (TimeoutError, OSError):
            data, ancillary = b"", []
        for kind, what, content in ancillary:
            if (kind, what) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self.pid = CREDENTIALS.unpack(content[: CREDENTIALS.size])[0]
        if not data or not self.pid:
            raise GuardError(
                "The kernel was not started: its confinement could not be built. "
                "`jupyter secure doctor` tries the same and says what is wrong."
            )
        values = dict(line.split(" ", 1) for line in data.decode().splitlines())
        abi = int(values.pop("landlock"))
        touched = self._bait.touched()
        canaries = {name: value == "1" and name not in touched for name, value in values.items()}
        return level.assess(abi, canaries, outside.measure(self.pid), self._plan.gaps)

    def release(self) -> None:
        """Let the command run.

        Raises:
            GuardError: it has ended meanwhile.
        """
        try:
            self._report.send(GO)
        except OSError as error:
            raise GuardError(
                "The kernel was not started: its process ended before it began.", detail=str(error)
            ) from None

    async def _readable_or_ended(self, process: int) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        ended = os.pidfd_open(process)
        fds = (self._report.fileno(), ended)
        for fd in fds:
            loop.add_reader(fd, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            for fd in fds:
                loop.remove_reader(fd)
            os.close(ended)


def python() -> str:
    """Return the interpreter that runs what is ours inside the walls."""
    # The installation's own interpreter: a virtual environment's is only a link to it.
    return os.path.realpath(sys.executable)
