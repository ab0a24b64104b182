"""A plan put into the form that the launcher reads: Landlock rules, limits, filter, environment. Pure."""

from __future__ import annotations

import marshal
import resource
from dataclasses import dataclass

from .plan import DEVICES, GuardPlan, Stack
from .seccompfilter import Shape, assemble


@dataclass(frozen=True)
class Ends:
    """Descriptors that the launcher inherits, by number.

    Attributes:
        keep: those that the kernel inherits in turn.
        leash: the reading end of a pipe; the supervisor ends everything once its other end is closed.
    """

    report: int
    keep: tuple[int, ...]
    leash: int = -1


def encode(plan: GuardPlan, ends: Ends, bait: dict[str, object], machine: str) -> bytes:
    """Return the policy as the bytes that `wall/steps.py` expects."""
    private = plan.stack is Stack.BUBBLEWRAP
    return marshal.dumps(
        {
            "environment": plan.environment,
            "folder": plan.folder,
            "keep": list(ends.keep),
            "report": ends.report,
            "supervise": not private,
            "leash": ends.leash,
            "limits": limits(plan),
            "files": files(plan),
            "private_network": private,
            "filter": assemble(Shape(machine=machine, private=private)),
            "bait": bait,
        }
    )


def limits(plan: GuardPlan) -> list[tuple[int, int]]:
    """Return (resource, value) pairs."""
    wanted = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, plan.limits.processes),
        (resource.RLIMIT_NOFILE, plan.limits.open_files),
        (resource.RLIMIT_FSIZE, plan.limits.file_bytes),
        (resource.RLIMIT_AS, plan.limits.memory_bytes),
    ]
    return [(kind, value) for kind, value in wanted if value or kind == resource.RLIMIT_CORE]


def files(plan: GuardPlan) -> list[tuple[str, str]]:
    """Return Landlock rules.

    Under bubblewrap the mounts already say what exists, so few rules are needed and they repeat it; alone, Landlock
    names every path. `/proc` is given as a whole, because a rule on `/proc/self` would hold for one process only.
    """
    if plan.stack is Stack.BUBBLEWRAP:
        writable = dict.fromkeys((*plan.read_write, "/tmp", plan.temporary, "/dev/shm"))  # noqa: S108  # private ones
        return [("/", "ro"), ("/dev", "dev"), *((path, "rw") for path in writable)]
    return [
        *((path, "ro") for path in (*plan.read_only, "/proc")),
        *((path, "rw") for path in (*plan.read_write, "/dev/shm")),  # noqa: S108  # multiprocessing locks live there
        *((f"/dev/{name}", "dev") for name in DEVICES),
    ]
