"""What one kernel may reach, decided from facts alone: files, network, limits, environment.

Pure. `survey.py` gathers the facts, this module decides, `bubblewrap.py` and `policy.py` put the decision into words
that a wall understands. Promises: nothing is reachable that is not named here; no writable folder is, holds or lies in
the person's home as a whole, a hidden folder, the system or the Python environment, unless a wall can cover that part.

Order of `make`: choose the work folder, name what is read, what is written, what is covered, what is hidden.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from jupyter_secure.protocol.errors import GuardError

# What other programs run later, or read as instructions, when it lies in a work folder.
RUN_LATER = (".git", ".hg", ".vscode", ".idea", ".envrc", ".pre-commit-config.yaml", ".jupyter", ".ipython", ".venv")

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
# Picked one by one: `/etc` also holds keys, and a kernel run as root could read them.
ETC = (
    "alternatives", "ca-certificates", "debian_version", "fonts", "group", "hosts", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "locale.alias", "localtime", "magic", "mime.types", "nsswitch.conf", "os-release", "passwd",
    "pki/tls/certs", "ssl/certs", "ssl/openssl.cnf", "timezone",
)  # fmt: skip
# joblib and numpy count processors here.
COUNTING = ("/sys/devices/system/cpu", "/sys/fs/cgroup")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx")
NEVER_WORK = (*SYSTEM, "/etc", "/proc", "/sys", "/dev", "/boot", "/run", "/var/lib")


# What neither Landlock nor the filter can take away; said in every report of a kernel without namespaces.
SHARED = (
    "The kernel sees the names and command lines of your other programs, and can change their priority and processors.",
    "The kernel shares /dev/shm with your other programs.",
)


class Stack(enum.Enum):
    """Which walls are raised."""

    BUBBLEWRAP = "bubblewrap"  # namespaces, then the launcher
    LAUNCHER = "launcher"  # the launcher under its supervisor


@dataclass(frozen=True)
class Limits:
    """Numbers that bound one kernel; 0 means no limit of ours."""

    processes: int
    open_files: int = 4096
    file_bytes: int = 0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Runtime:
    """The kernel's own folder, as paths: `c` connection file (read-only), `s` sockets, `home`, `tmp`."""

    folder: str

    @property
    def writable(self) -> tuple[str, ...]:
        """Return what the kernel may write."""
        return tuple(f"{self.folder}/{name}" for name in ("s", "home", "tmp"))

    @property
    def readable(self) -> str:
        """Return the folder of the connection file."""
        return f"{self.folder}/c"


@dataclass(frozen=True)
class Facts:
    """What the machine looks like; every path absolute and free of symbolic links.

    Attributes:
        root: the server's root folder; `notebook`: the folder of the notebook.
        code: folders with the Python environment and the packages that a kernel needs, read-only.
        hidden: folders that no kernel may see: the vault, Jupyter's own folders, keys.
        run_later: those of `RUN_LATER` that exist in the work folder or on the way to the notebook.
        links: top-level folders of the system that are symbolic links, with their targets.
        network_kinds: the network file system that holds `root` and `notebook`, empty for one of this computer.
    """

    root: str
    notebook: str
    home: str
    temporary: str
    code: tuple[str, ...]
    hidden: tuple[str, ...]
    run_later: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    network_kinds: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GuardPlan:
    """The decision.

    Attributes:
        work: the folder that is written; `folder`: where the kernel starts, inside it.
        read_only: paths that are read and executed.
        read_write: paths that are written, `work` among them.
        covered: paths inside `read_write` that are read-only all the same.
        masked: folders inside other permitted folders that appear empty.
        gaps: sentences on what this stack cannot cover here.
    """

    stack: Stack
    command: tuple[str, ...]
    environment: dict[str, str]
    work: str
    folder: str
    read_only: tuple[str, ...]
    read_write: tuple[str, ...]
    covered: tuple[str, ...]
    masked: tuple[str, ...]
    links: dict[str, str]
    temporary: str
    limits: Limits
    gaps: tuple[str, ...] = ()


def inside(path: str, folder: str) -> bool:
    """Say whether a path is a folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def work_folder(facts: Facts, stack: Stack) -> str:
    """Return the folder that the kernel may write: the server's root, else the notebook's own folder.

    Raises:
        GuardError: neither can be given to a kernel safely.
    """
    why = ""
    for folder in (facts.root, facts.notebook):
        if inside(folder, facts.root):
            why = _unfit(folder, facts, stack)
            if not why:
                return folder
    raise GuardError(
        f"The kernel was not started: the notebook's folder {why}. "
        "Start Jupyter in a folder that holds only this project, for example `mkdir ~/project && cd ~/project`."
    )


def _unfit(folder: str, facts: Facts, stack: Stack) -> str:
    # Returns why a folder cannot be handed over, or "".
    apart = (*facts.code, *facts.hidden)
    reasons = (
        (inside(facts.home, folder), "is, or contains, your home folder"),
        (inside(facts.temporary, folder), "is, or contains, the folder for temporary files"),
        (any(inside(folder, place) for place in NEVER_WORK), "belongs to the operating system"),
        (any(inside(folder, place) for place in facts.code), "lies inside the Python environment"),
        (any(inside(folder, place) for place in facts.hidden), "lies inside a folder that kernels must not see"),
        # Landlock only allows: it cannot take a part out of a folder that it gave.
        (
            stack is Stack.LAUNCHER and any(inside(place, folder) for place in apart),
            "contains the Python environment or private folders, which cannot be covered without bubblewrap",
        ),
    )
    return next((why for holds, why in reasons if holds), "")


def make(
    stack: Stack,
    command: tuple[str, ...],
    environment: dict[str, str],
    facts: Facts,
    runtime: Runtime,
    limits: Limits,
) -> GuardPlan:
    """Return the plan for one kernel.

    Raises:
        GuardError: no safe plan exists; the sentence says what to do.
    """
    work = work_folder(facts, stack)
    covered = tuple(path for path in (*facts.run_later, *facts.code) if inside(path, work) and path != work)
    masked = tuple(path for path in facts.hidden if any(inside(path, place) for place in (work, *facts.code)))
    writable = tuple(f"{path} can be changed by the kernel." for path in covered)
    apart = (*SHARED, *writable) if stack is Stack.LAUNCHER else ()
    return GuardPlan(
        stack=stack,
        command=command,
        environment=environment,
        work=work,
        folder=facts.notebook if inside(facts.notebook, work) else work,
        read_only=(*SYSTEM, *(f"/etc/{name}" for name in ETC), *COUNTING, *facts.code, runtime.readable),
        read_write=(work, *runtime.writable),
        covered=covered,
        masked=masked,
        links=facts.links,
        temporary=facts.temporary,
        limits=limits,
        gaps=(*apart, *_elsewhere(facts.network_kinds.get(work, ""))),
    )


def _elsewhere(kind: str) -> tuple[str, ...]:
    if not kind:
        return ()
    return (f"The work folder lies on a network file system ({kind}): other computers can read what is written there.",)
