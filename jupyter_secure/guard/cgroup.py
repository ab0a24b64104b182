"""One cgroup (v2) for each kernel: memory, processes and processors of the kernel and all it starts, limited together.

Where it is possible: a cgroup must have been *delegated*, that is, given to this person to make groups in. A systemd
user session delegates, a service with `Delegate=yes` does, most containers do not. `find` says which holds and why.

Order for one kernel: make the group, write the limits, move the launcher in while it waits for its word (so before the
kernel's own program runs), and when the kernel is gone kill what may be left in the group and remove it. The kernel
cannot leave: it may not write where cgroups are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from jupyter_secure.protocol.errors import GuardError

from . import mounts

PREFIX = "jsec-"
CONTROLLERS = ("memory", "pids", "cpu")
PERIOD = 100_000  # microseconds, the system's own choice for `cpu.max`
PATIENCE = 10.0  # seconds until the group must be empty
OWN = Path("/proc/self/cgroup")
_CURE = (
    "start the server in a systemd user session or in a service with `Delegate=yes` and `DelegateSubgroup=server`, or "
    "name a cgroup v2 folder that holds no process and belongs to you in `GuardProvisioner.cgroup_folder`"
)


@dataclass(frozen=True)
class Delegation:
    """Where groups can be made; `folder` is empty where they cannot, and `why` says it."""

    folder: str = ""
    controllers: tuple[str, ...] = ()
    why: str = ""

    @property
    def sentence(self) -> str:
        """Return what holds here, in words."""
        if self.folder:
            return f"Kernels get a cgroup of their own, which can limit: {', '.join(self.controllers)}."
        return f"No limits on a kernel and all it starts together: {self.why}. Cure: {_CURE}."


@dataclass(frozen=True)
class GroupLimits:
    """Numbers for one group; 0 means no limit."""

    memory_bytes: int = 0
    processes: int = 0
    processors: float = 0.0

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """Return what to write into which file, by controller."""
        memory, quota = str(self.memory_bytes), f"{int(self.processors * PERIOD)} {PERIOD}"
        wanted = {
            # Without the second, a kernel would go on into swap.
            "memory": {"memory.max": memory, "memory.swap.max": "0"} if self.memory_bytes else {},
            "pids": {"pids.max": str(self.processes)} if self.processes else {},
            "cpu": {"cpu.max": quota} if self.processors else {},
        }
        return {controller: files for controller, files in wanted.items() if files}


def find(named: str = "") -> Delegation:
    """Return where this process can make groups.

    Args:
        named: the only folder to look at; else the cgroup of this process and the one above it.
    """
    mount = mounts.point_of_kind("cgroup2")
    if not mount:
        return Delegation(why="no cgroup v2 is mounted here")
    if named:
        return _offered([named]) or Delegation(why="the cgroup that the settings name cannot be used")
    if os.getuid() == 0:
        # Root can write everywhere, so nothing shows what it was given.
        return Delegation(why="root has to name one")
    own = f"{mount}{_path_of(OWN)}".rstrip("/")
    above = [str(Path(own).parent)] if own != mount else []
    return _offered([own, *above]) or Delegation(why="no cgroup is delegated to this person")


def shown(pid: int) -> dict[str, str]:
    """Return what a process shows: whether its group is one of ours, and which limits are in force there."""
    try:
        path = _path_of(Path(f"/proc/{pid}/cgroup"))
    except OSError:
        return {}
    if not Path(path).name.startswith(PREFIX):
        return {"cgroup": "shared"}
    group = Path(f"{mounts.point_of_kind('cgroup2')}{path}")
    limited = [name for name in CONTROLLERS if _value(group / f"{name}.max").split()[:1] not in ([], ["max"])]
    return {"cgroup": "own", "cgroup_limits": " ".join(limited)}


class KernelGroup:
    """The group of one kernel; `remove` is idempotent."""

    def __init__(self, delegation: Delegation, limits: GroupLimits) -> None:
        sweep(delegation.folder)
        self.path = Path(delegation.folder) / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        try:
            self.path.mkdir(mode=0o700)
            self._limit(delegation, limits)
        except OSError as error:
            _remove(self.path)
            raise GuardError(
                "The kernel was not started: its cgroup could not be made. `jupyter secure doctor` says what it needs.",
                detail=str(error),
            ) from None

    def _limit(self, delegation: Delegation, limits: GroupLimits) -> None:
        for controller, files in limits.files.items():
            if controller not in delegation.controllers:
                if controller == "pids":
                    continue  # RLIMIT_NPROC is in force as well
                raise OSError(f"the controller {controller} is not delegated")
            for name, value in files.items():
                if name != "memory.swap.max" or (self.path / name).exists():  # a system without swap has none
                    (self.path / name).write_text(value)

    def enter(self, pid: int) -> None:
        """Move a process in; what it starts from then on is born there.

        Raises:
            GuardError: the system refused.
        """
        try:
            (self.path / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            raise GuardError(
                "The kernel was not started: it could not be moved into its cgroup. "
                "`jupyter secure doctor` says what is needed.",
                detail=str(error),
            ) from None

    async def remove(self) -> None:
        """Kill whatever is in the group and remove it.

        Raises:
            TimeoutError: something in it does not end.
        """
        with contextlib.suppress(OSError):
            (self.path / "cgroup.kill").write_text("1")
        async with asyncio.timeout(PATIENCE):
            while not _remove(self.path):  # noqa: ASYNC110  # a killed process leaves its group a moment later
                await asyncio.sleep(0.01)


def group_for(named: str, limits: GroupLimits) -> KernelGroup | None:
    """Return a new group, or None where none is delegated and none is asked for.

    Raises:
        GuardError: the settings ask for what this computer has not.
    """
    delegation = find(named)
    if delegation.folder:
        return KernelGroup(delegation, limits)
    if named or limits.memory_bytes or limits.processors:
        raise GuardError(f"The kernel was not started: the settings ask for a cgroup. {delegation.sentence}")
    return None


def sweep(folder: str) -> None:
    """Remove empty groups of servers that are gone."""
    for group in Path(folder).glob(f"{PREFIX}*-*"):
        server = group.name.removeprefix(PREFIX).partition("-")[0]
        if not Path(f"/proc/{server}").exists():
            _remove(group)


def _offered(folders: list[str]) -> Delegation | None:
    for folder in folders:
        controllers = _controllers(Path(folder))
        if controllers:
            return Delegation(folder, controllers)
    return None


def _controllers(folder: Path) -> tuple[str, ...]:
    if not all(os.access(path, os.W_OK) for path in (folder, folder / "cgroup.procs")):
        return ()
    control = folder / "cgroup.subtree_control"
    possible = [name for name in CONTROLLERS if name in _value(folder / "cgroup.controllers").split()]
    wanted = [f"+{name}" for name in possible if name not in _value(control).split()]
    if wanted and not _value(folder / "cgroup.procs"):
        # A cgroup that holds processes cannot hand controllers on; an empty one does when asked.
        with contextlib.suppress(OSError):
            control.write_text(" ".join(wanted))
    return tuple(name for name in possible if name in _value(control).split())


def _path_of(table: Path) -> str:
    # The line of v2 begins with `0::`; where only v1 is in use there is none.
    lines = table.read_text().splitlines()
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")


def _value(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _remove(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
