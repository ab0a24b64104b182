"""The agent behind the walls of a level, and what comes out of them.

The walls are those of a kernel, from the same facts, plan and launcher; the environment is offered with a token in it,
and a descriptor is left open, as by somebody who forgot. What comes out is received with the sender's process number,
which the operating system vouches for.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from jupyter_secure.guard import environment, plan, survey
from jupyter_secure.guard.confinement import CREDENTIALS, Confinement, python
from jupyter_secure.guard.kernelprocess import KernelProcess
from jupyter_secure.guard.probe import Host
from jupyter_secure.guard.runtime import RuntimeFolder
from jupyter_secure.protocol.errors import GuardError
from jupyter_secure.protocol.grant import GuardLevel

from .agent import END, LARGEST, NEXT
from .attempt import Evidence
from .ground import MB, Ground

STACKS = {GuardLevel.G3: plan.Stack.BUBBLEWRAP, GuardLevel.G2: plan.Stack.LAUNCHER}
AGENT = str(Path(__file__).with_name("agent.py"))
PATIENCE = 20.0  # seconds for one attempt
LAST_BREATH = 5.0  # seconds until nothing of an ended kernel may be left


class Walls:
    """The agent behind the walls of a level; raised when needed, and again if the agent has ended."""

    def __init__(self, level: GuardLevel, host: Host, ground: Ground) -> None:
        self.level, self._host, self._ground = level, host, ground
        self.canaries: Mapping[str, bool] = {}
        self.pid = 0
        self._channel: socket.socket | None = None
        self._stack = contextlib.ExitStack()

    def stand(self) -> None:
        """Raise the walls if they do not stand.

        Raises:
            GuardError: they measure as less than the level.
        """
        if self._channel is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._channel = ours
            # A descriptor that somebody forgot to close.
            forgotten = os.open(self._ground.key, os.O_RDONLY)
            try:
                if self.level is GuardLevel.G0:
                    self._start_plain(theirs.fileno(), forgotten)
                else:
                    self._start_confined(theirs.fileno(), forgotten)
            finally:
                os.close(forgotten)

    def order(self, code: str, aims: dict[str, object]) -> Evidence:
        """Have one attempt made and return what came out of it."""
        assert self._channel is not None
        self._channel.send(json.dumps({"code": code, "at": aims}).encode())
        evidence, until = Evidence(), time.monotonic() + PATIENCE
        while (left := until - time.monotonic()) > 0 and self._hear(evidence, left):
            pass
        return evidence

    def next(self) -> None:
        """Have the last attempt's process ended."""
        if self._channel is None:
            return
        try:
            self._channel.send(NEXT)
        except OSError:
            self.end()

    def end(self) -> bool:
        """End everything behind the walls; say whether something outlived it."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_WR)  # an agent without walls has to end its attempt itself
        self._stack.close()
        if channel is None:
            return False
        with channel:
            until = time.monotonic() + LAST_BREATH
            while (left := until - time.monotonic()) > 0:
                channel.settimeout(left)
                try:
                    if not channel.recv(LARGEST):
                        return False
                except TimeoutError:
                    return True
            return True

    def _hear(self, evidence: Evidence, seconds: float) -> bool:
        """Take one message; say whether more may come."""
        assert self._channel is not None
        self._channel.settimeout(seconds)
        room = socket.CMSG_SPACE(CREDENTIALS.size) + socket.CMSG_SPACE(4)
        try:
            data, ancillary, _, _ = self._channel.recvmsg(LARGEST, room)
        except OSError:
            return False
        given = array.array("i")
        for _, what, content in ancillary:
            if what == socket.SCM_CREDENTIALS:
                evidence.pids.add(CREDENTIALS.unpack(content[: CREDENTIALS.size])[0])
            else:
                given.frombytes(content[: len(content) - len(content) % given.itemsize])
        evidence.fds += given
        if data and data != END and not given:
            evidence.said += data
        return data not in {b"", END}

    def _command(self, channel: int) -> tuple[str, ...]:
        return (python(), "-I", "-S", AGENT, str(channel))

    def _offered(self) -> dict[str, str]:
        return {**os.environ, "JUPYTERHUB_API_TOKEN": self._ground.secrets["inherited"].decode()}

    def _start_plain(self, channel: int, forgotten: int) -> None:
        process = subprocess.Popen(  # noqa: S603  # our own program
            self._command(channel),
            pass_fds=(channel, forgotten),
            env=self._offered(),
            cwd=self._ground.work,
            start_new_session=True,
        )
        self._stack.callback(_leave, process)
        self.pid = process.pid

    def _start_confined(self, channel: int, forgotten: int) -> None:
        stack, ground, command = STACKS[self.level], self._ground, self._command(channel)
        folder = RuntimeFolder()
        self._stack.callback(folder.remove)
        facts = survey.gather(
            root=str(ground.work),
            notebook=str(ground.work),
            command=command,
            spec_folder="",
            hidden=(str(ground.vault),),
            extra=(str(ground.code),),
        )
        limits = plan.Limits(survey.threads_counted(stack) + 256, file_bytes=64 * MB, memory_bytes=512 * MB)
        variables = environment.kernel_environment(self._offered(), {}, folder.runtime, None)
        made = plan.make(stack, command, variables, facts, folder.runtime, limits)
        with contextlib.closing(Confinement(made, self._host, keep=(channel,), hidden=facts.hidden)) as walls:
            process = walls.launch(folder.open_log(), forgotten)
            running = KernelProcess(process, walls.hand_over_leash())
            self._stack.callback(running.close)
            self._stack.callback(process.wait)
            self._stack.callback(running.end)
            report = asyncio.run(walls.settle(process.pid))
            if report.level is not self.level:
                raise GuardError(f"The walls measured as {report.level}, not {self.level}. Nothing was tried.")
            running.found(walls.pid)
            self.canaries, self.pid = report.canaries, walls.pid
            walls.release()


def _leave(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(LAST_BREATH)
    process.kill()
    process.wait()
