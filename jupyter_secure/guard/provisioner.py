"""Starts every kernel behind walls. Entry point `jupyter-secure` of `jupyter_client.kernel_provisioners`.

Steps of a start, and of each restart:
 1  `pre_launch`: the kernel's own folder; ZeroMQ over `ipc` inside it, so no port is opened
 2  a fresh private channel; its kernel end is inherited, the number of the descriptor is in the environment
 3  facts, plan, command line
 4  `launch_kernel`: start, receive the report, move into a cgroup where one is delegated, measure from outside
 5  below `minimum`: end it and say what to do. Never go on with less than that, never fall back silently
 6  hand the other end of the channel to the host, then let the kernel run

The *host* is how this zone meets the Jupyter server without importing it: an object in the attribute `secure_host` of
the kernel manager (`self.parent`), or none. What the guard uses of it:

    hidden: Iterable[str]     folders that no kernel may see (the vault)
    root: str                 the server's root folder
    attach(kernel_id: str, end: socket.socket, report: GuardReport, notebook: str) -> None | Awaitable[None]
                              called at each start before the kernel runs; owns `end` from then on; an exception refuses
                              the start; a second call for one kernel replaces the first (restart)
    detach(kernel_id: str) -> None | Awaitable[None]
                              the kernel is gone for good
    egress(kernel_id: str, review: Callable[[], Awaitable[None]]) -> Awaitable[Ask | None]
                              called before each start that bubblewrap walls in; None where policy gives this person
                              no host, else what asks about one connection (`proxy.Ask`); `review` is to be awaited
                              before the kernel is handed a view

`attach` runs in the context of the request that started the kernel. Without a host the kernel runs guarded and its
channel is closed, so it has no access to any data.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import socket
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool, Enum, Float, Integer, List, Unicode

from jupyter_secure.protocol.errors import GuardError
from jupyter_secure.protocol.grant import GuardLevel, GuardReport
from jupyter_secure.protocol.wire import pair

from . import cgroup, environment, level, outside, plan, probe, survey, wayout
from .confinement import Confinement
from .kernelprocess import KernelProcess
from .proxy import EgressProxy
from .runtime import RuntimeFolder, sweep

EXTENSION = "--ext=jupyter_secure.kernel.extension"


class GuardProvisioner(LocalProvisioner):
    """A local kernel behind walls.

    Attributes:
        report: the measurement of the running kernel; None before the first start.
    """

    minimum = Enum(
        [item.value for item in GuardLevel if item is not GuardLevel.G4],
        default_value="G2",
        config=True,
        help="Refuse to start kernels whose measured confinement is lower. G0 is always refused for root.",
    )
    launcher_only = Bool(False, config=True, help="Leave bubblewrap out; the level can then be no more than G2.")
    extra_read_only = List(
        Unicode(), config=True, help="Further folders that kernels may read, for example shared data."
    )
    max_processes = Integer(
        256 + 32 * (os.cpu_count() or 1),
        config=True,
        help="Processes and threads of one kernel; has no effect for root.",
    )
    max_open_files = Integer(4096, config=True, help="Open files of each process.")
    max_file_bytes = Integer(0, config=True, help="Largest file a kernel may write; 0 means no limit.")
    max_memory_bytes = Integer(0, config=True, help="Address space of each process; 0 means no limit. Disturbs CUDA.")
    cgroup_folder = Unicode("", config=True, help="A cgroup v2 folder given to this server for kernels; empty: found.")
    cgroup_memory_bytes = Integer(0, config=True, help="Memory of a kernel and all it starts; 0 means no limit.")
    cgroup_processors = Float(0.0, config=True, help="Processors of a kernel and all it starts; 0 means no limit.")

    _folder: RuntimeFolder | None = None
    _group: cgroup.KernelGroup | None = None
    _kernel: KernelProcess | None = None
    _confinement: Confinement | None = None
    _channel: tuple[socket.socket, socket.socket] | None = None
    _proxy: EgressProxy | None = None
    _notebook = ""
    _gaps: tuple[str, ...] = ()
    report: GuardReport | None = None

    def __init__(self, **kwargs: Any) -> None:
        # A kernelspec's `config` stanza arrives here too; a person's file must not lower the walls.
        super().__init__(**{name: kwargs[name] for name in ("kernel_id", "kernel_spec", "parent") if name in kwargs})

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Prepare folder, channel, plan and command line.

        Raises:
            GuardError: the kernel cannot be confined; the sentence says what to do.
        """
        try:
            host = self._capable_host()
            self._own_folder()  # (1)
            offered = dict(kwargs.get("env") or os.environ)
            prepared = await super().pre_launch(**kwargs)
            self._channel = pair()  # (2)
            self._notebook = offered.get("JPY_SESSION_NAME", "")
            await self._open_way_out(host)
            made, hidden = self._plan(host, prepared, offered)  # (3)
            kernel_end = self._channel[1].fileno()
            self._gaps = made.gaps
            self._confinement = Confinement(made, host, keep=[kernel_end], hidden=hidden)
        except BaseException:
            await self._abandon()
            raise
        popen = {name: prepared[name] for name in ("stdin", "stdout", "stderr") if prepared.get(name) is not None}
        return {
            **popen,
            "cmd": self._confinement.command,
            "pass_fds": self._confinement.pass_fds,
            "env": {},
            "cwd": "/",
        }

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel, measure it, and let it run if the measurement is good enough.

        Raises:
            GuardError: it is not; nothing of the kernel has run.
        """
        assert self._confinement is not None
        assert self._channel is not None
        assert self._folder is not None
        try:
            with contextlib.closing(self._confinement) as walls, contextlib.closing(self._channel[1]):
                log = self._folder.open_log()
                try:
                    streams = {"stdout": log, "stderr": log, **kwargs}
                    info = await super().launch_kernel(cmd, independent=True, **streams)  # (4)
                finally:
                    os.close(log)
                if self._kernel is not None:
                    self._kernel.close()  # of the process before this restart
                self._kernel = KernelProcess(self.process, walls.hand_over_leash())
                self.report = await walls.settle(self.process.pid)
                self._kernel.found(walls.pid)
                await self._limit_together(walls.pid)
                self._demand_minimum(self.report)  # (5)
                await self._hand_over(self.report)  # (6)
                walls.release()
        except BaseException as error:
            words = self._folder.last_words()
            await self._abandon()
            if isinstance(error, GuardError):
                error.detail = f"{error.detail} {words}".strip()
                self.log.error("Kernel not started: %s (%s)", error.public, error.detail)  # noqa: TRY400  # said once
            raise
        finally:
            self._confinement = None
        return info

    def _capable_host(self) -> probe.Host:
        if self.parent is None:
            raise GuardError("A guarded kernel needs a kernel manager.")
        host = probe.host()
        best = self._stack(host)
        forecast = {plan.Stack.BUBBLEWRAP: GuardLevel.G3, plan.Stack.LAUNCHER: GuardLevel.G2, None: GuardLevel.G0}[best]
        if best is plan.Stack.LAUNCHER and not host.landlock:
            forecast = GuardLevel.G1
        if not forecast.reaches(GuardLevel(self.minimum)) or best is None:
            raise GuardError(
                f"The kernel was not started: this computer can confine it to {forecast}, {self.minimum} is required. "
                + " ".join(host.shortcomings())
            )
        return host

    def _stack(self, host: probe.Host) -> plan.Stack | None:
        if host.best is plan.Stack.BUBBLEWRAP and self.launcher_only:
            return plan.Stack.LAUNCHER
        return host.best

    def _own_folder(self) -> None:
        if self._folder is None:
            sweep()
            self._folder = RuntimeFolder()
        manager, folder = self.parent, self._folder.path
        # The kernel may read its connection file and not replace it: the server reads it again.
        manager.transport, manager.cache_ports = "ipc", False
        manager.connection_file, manager.ip = str(folder / "c" / "k.json"), str(folder / "s" / "p")

    async def _open_way_out(self, host: probe.Host) -> None:
        # Only where the kernel has a network of its own: everywhere else it could not be kept to the proxy.
        assert self._folder is not None
        await self._close_way_out()
        ask_host = getattr(getattr(self.parent, "secure_host", None), "egress", None)
        if ask_host is None or self._stack(host) is not plan.Stack.BUBBLEWRAP:
            return
        self._proxy = await wayout.open_proxy(self.kernel_id, ask_host, self._folder.runtime)

    async def _close_way_out(self) -> None:
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            await proxy.close()

    def _plan(
        self, host: probe.Host, prepared: dict[str, Any], offered: dict[str, str]
    ) -> tuple[plan.GuardPlan, tuple[str, ...]]:
        assert self._folder is not None
        assert self._channel is not None
        meeting = getattr(self.parent, "secure_host", None)
        notebook = str(prepared.get("cwd") or Path.cwd())
        root = getattr(meeting, "root", None) or getattr(getattr(self.parent, "parent", None), "root_dir", None)
        command = [os.path.expanduser(word) for word in prepared["cmd"]]  # noqa: PTH111  # words, not all of them paths
        if is_ipykernel(command):
            command.append(EXTENSION)
        facts = survey.gather(
            root=root or notebook,
            notebook=notebook,
            command=command,
            spec_folder=self.kernel_spec.resource_dir,
            hidden=getattr(meeting, "hidden", ()),
            extra=self.extra_read_only,
        )
        runtime = self._folder.runtime
        packages = self._folder.offer_package(survey.PACKAGE) if survey.PACKAGE_APART and is_ipykernel(command) else ""
        variables = environment.kernel_environment(
            offered, self.kernel_spec.env or {}, runtime, self._channel[1].fileno(), packages
        )
        stack = self._stack(host)
        assert stack is not None
        processes = self.max_processes + survey.threads_counted(stack)
        limits = plan.Limits(processes, self.max_open_files, self.max_file_bytes, self.max_memory_bytes)
        if self._proxy is not None:
            command, variables = wayout.through_proxy(command, variables, runtime)
        return plan.make(stack, tuple(command), variables, facts, runtime, limits), facts.hidden

    async def _limit_together(self, pid: int) -> None:
        # Before the kernel's own program, which waits for the word of the guard.
        await self._leave_group()  # of the process before this restart
        limits = cgroup.GroupLimits(self.cgroup_memory_bytes, self.max_processes, self.cgroup_processors)
        self._group = cgroup.group_for(self.cgroup_folder, limits)
        if self._group is not None:
            self._group.enter(pid)
            self.report = await self.measure() or self.report

    async def _leave_group(self) -> None:
        group, self._group = self._group, None
        if group is not None:
            await group.remove()

    def _demand_minimum(self, report: GuardReport) -> None:
        required = GuardLevel(self.minimum)
        if report.level.reaches(required) and not (report.level is GuardLevel.G0 and os.getuid() == 0):
            return
        raise GuardError(
            f"The kernel was stopped before it ran: its confinement was measured as {report.level} "
            f"and {required} is required. " + " ".join(report.missing)
        )

    async def _hand_over(self, report: GuardReport) -> None:
        assert self._channel is not None
        meeting = getattr(self.parent, "secure_host", None)
        ours, self._channel = self._channel[0], None
        if meeting is None:
            ours.close()
            return
        try:
            await _finished(meeting.attach(self.kernel_id, ours, report, self._notebook))
        except BaseException:
            ours.close()
            raise

    async def measure(self) -> GuardReport | None:
        """Measure the running kernel again, from outside; None when there is none.

        The canaries of the start still count: walls can only be tightened from inside.
        """
        if self._kernel is None or self.report is None or not self._kernel.alive():
            return None
        landlock = [name for name in self.report.layers if name.startswith("landlock-")]
        abi = int(landlock[0].partition("-")[2]) if landlock else 0
        self.report = level.assess(abi, self.report.canaries, outside.measure(self._kernel.pid), self._gaps)
        return self.report

    async def send_signal(self, signum: int) -> None:
        """Signal the kernel and what it started, never the walls around it."""
        if self._kernel is None:
            return
        if signum == signal.SIGKILL:
            await self.kill()
        else:
            self._kernel.signal(signum)

    async def kill(self, restart: bool = False) -> None:  # noqa: ARG002  # Jupyter's signature
        """End the kernel and every process that descends from it."""
        if self._kernel is not None:
            self._kernel.end()

    async def terminate(self, restart: bool = False) -> None:  # noqa: ARG002  # Jupyter's signature
        """Ask the kernel to end."""
        await self.send_signal(signal.SIGTERM)

    async def wait(self) -> int | None:
        """Wait until the walls and the kernel in them are gone."""
        status = await super().wait()
        if self._kernel is not None:
            await self._kernel.gone()
        return status

    async def cleanup(self, restart: bool = False) -> None:
        """Give back what the kernel had; its folder stays for a restart."""
        await super().cleanup(restart=restart)
        if not restart:
            await self._abandon()

    async def _abandon(self) -> None:
        # Everything of this kernel goes, whatever stage it had reached. Idempotent.
        if self._kernel is not None:
            self._kernel.end()
            await self.wait()
            self._kernel.close()
        if self._confinement is not None:
            self._confinement.close()
        await self._leave_group()
        await self._close_way_out()
        started = self.report is not None
        for end in self._channel or ():
            with contextlib.suppress(OSError):
                end.close()
        if self._folder is not None:
            self._folder.remove()
        self._folder = self._kernel = self._confinement = self._channel = self.report = None
        meeting = getattr(self.parent, "secure_host", None)
        if started and meeting is not None:
            await _finished(meeting.detach(self.kernel_id))


def is_ipykernel(command: list[str]) -> bool:
    """Say whether a command starts ipykernel, which then loads our magics without the person doing anything."""
    names = ("ipykernel_launcher", "ipykernel", "ipykernel.kernelapp")
    return any(word in names or Path(word).name == "ipykernel_launcher.py" for word in command)


async def _finished(answer: Any) -> None:
    if inspect.isawaitable(answer):
        await answer
