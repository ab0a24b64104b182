"""What this host can enforce, found by trying and not by version numbers; once per process.

The answer says which walls can be raised and, where one cannot, why and what to do. It is a forecast: the level of a
kernel is measured when that kernel starts (`confinement.py`).
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import landlockversions
from .bubblewrap import NAMESPACES, NO_NESTED
from .plan import Stack
from .syscalls import NUMBERS

_PROFILE = (
    "install the distribution's AppArmor profile for bwrap (Ubuntu: package apparmor-profiles, bwrap-userns-restrict)"
)
# Part of bubblewrap's own words, why it failed, what helps.
DIAGNOSES = (
    (
        "setting up uid map",
        "this system's AppArmor forbids user namespaces to bubblewrap",
        _PROFILE,
    ),
    (
        "RTM_NEWADDR",
        "this system's AppArmor forbids bubblewrap to set up its network",
        _PROFILE,
    ),
    (
        "No permissions to create new namespace",
        "user namespaces are refused here, as in most containers",
        "set `kernel.unprivileged_userns_clone=1`; inside a container the launcher's walls (G2) are what there is",
    ),
    (
        "Creating new namespace failed",
        "user namespaces are refused here, as in most containers",
        "raise `user.max_user_namespaces`; inside a container the launcher's walls (G2) are what there is",
    ),
    (
        "mount proc",
        "this container masks /proc, so a kernel cannot get a /proc of its own",
        "start the container with an unmasked /proc, or use the launcher's walls (G2)",
    ),
)


@dataclass(frozen=True)
class Bubblewrap:
    """What trying bubblewrap showed; `why` and `cure` are empty where it works."""

    path: str
    works: bool
    no_nested: bool = False
    why: str = ""
    cure: str = ""


@dataclass(frozen=True)
class Host:
    """What this host can enforce.

    Attributes:
        machine: as `os.uname` says; the filter knows x86_64 and aarch64.
        landlock: ABI version, 0 for none.
    """

    system: str
    machine: str
    landlock: int
    seccomp: bool
    bubblewrap: Bubblewrap

    @property
    def best(self) -> Stack | None:
        """Return the strongest stack of walls, None where there is none."""
        if not self.seccomp:
            return None
        return Stack.BUBBLEWRAP if self.bubblewrap.works else Stack.LAUNCHER

    def shortcomings(self) -> list[str]:
        """Return sentences on what is not enforced here and what to do about it."""
        if self.system != "linux":
            return [
                "Kernels are confined on Linux only. On Windows use WSL2; on macOS use a Linux machine or container."
            ]
        sentences = []
        if not self.bubblewrap.works:
            sentences.append(
                f"No private files, processes and network: {self.bubblewrap.why}. Cure: {self.bubblewrap.cure}."
            )
        if not self.landlock:
            sentences.append(
                "No Landlock: this Linux is older than 5.13, or `landlock` is missing from its `lsm=` list. "
                "Cure: a newer Linux, or add `landlock` to `lsm=` on the kernel command line."
            )
        elif not self.bubblewrap.works:
            sentences += [
                f"{step.sentence} Cure: Linux {step.linux} or newer."
                for step in landlockversions.lacking(self.landlock)
                if not step.held_otherwise
            ]
        if not self.seccomp:
            sentences.append(f"No system call filter: it is not available for this system ({self.machine}).")
        return sentences


def host() -> Host:
    """Return what this host can enforce; the attempt is made once per process and search path."""
    return _host(os.environ.get("PATH", os.defpath))


@functools.lru_cache(maxsize=4)
def _host(path: str) -> Host:
    if sys.platform != "linux":
        return Host(sys.platform, "", 0, seccomp=False, bubblewrap=Bubblewrap("", works=False, why="not Linux"))
    from .wall import landlock

    machine = os.uname().machine
    return Host(
        system="linux",
        machine=machine,
        landlock=landlock.abi(),
        seccomp=machine in NUMBERS and sys.maxsize > 2**32 and _has_seccomp(),
        bubblewrap=_try_bubblewrap(path),
    )


def bubblewrap_version(path: str) -> str:
    """Return what the program says of itself, empty if nothing."""
    if not path or not Path(path).exists():
        return ""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    return done.stdout.strip()


def _has_seccomp() -> bool:
    return (
        Path("/proc/sys/kernel/seccomp/actions_avail").exists() or "Seccomp:" in Path("/proc/self/status").read_text()
    )


def _try_bubblewrap(path: str) -> Bubblewrap:
    program = shutil.which("bwrap", path=path)
    if program is None:
        return Bubblewrap(
            "",
            works=False,
            why="bubblewrap is not installed",
            cure="`apt install bubblewrap`, or your system's equivalent",
        )
    if _anyone_can_write(program):
        return Bubblewrap(
            program,
            works=False,
            why="bubblewrap can be changed by other people",
            cure="install the distribution's package",
        )
    if Path(program).stat().st_mode & stat.S_ISUID:
        return Bubblewrap(
            program,
            works=False,
            why="bubblewrap is setuid root, so that an error in it would make a notebook root",
            cure=f"`chmod u-s {program}`, and permit user namespaces",
        )
    for options in ([NO_NESTED], []):
        error = _attempt(program, options)
        if error is None:
            return Bubblewrap(program, works=True, no_nested=bool(options))
        if NO_NESTED not in error:
            break
    for words, why, cure in DIAGNOSES:
        if words in error:
            return Bubblewrap(program, works=False, why=why, cure=cure)
    return Bubblewrap(program, works=False, why=f"bubblewrap failed ({error[-200:]})", cure="ask the operator")


def _anyone_can_write(program: str) -> bool:
    real = Path(os.path.realpath(program))
    return any(place.stat().st_mode & 0o002 and not place.stat().st_mode & 0o1000 for place in (real, real.parent))


def _attempt(program: str, options: list[str]) -> str | None:
    # Returns None if a process ran inside, else what bubblewrap said.
    command = [program, *NAMESPACES, *options, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true"]
    try:
        done = subprocess.run(  # noqa: S603  # a fixed command
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, env={}, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip() or f"exit status {done.returncode}"
