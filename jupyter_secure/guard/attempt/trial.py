"""A trial: the attempts, made behind the walls of one level, and the verdict on each from outside.

Steps: lay out the ground; for each class raise the walls around the agent, exactly as around a kernel, and go on only
if they measure as the level asked for; order one attempt after another; judge while its process still stands; put the
ground back. At G0 there are no walls: that shows what the attempts are worth, and is refused for root.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jupyter_secure.guard.probe import Host
from jupyter_secure.protocol.errors import GuardError
from jupyter_secure.protocol.grant import GuardLevel

from . import files, network, persistence, privilege, processes, resources, shown, tamper
from .attempt import Attempt
from .ground import Ground
from .walls import Walls

CATALOGUE: dict[str, tuple[Attempt, ...]] = {
    "network": network.ATTEMPTS,
    "files": files.ATTEMPTS,
    "tamper": tamper.ATTEMPTS,
    "process": processes.ATTEMPTS,
    "persistence": persistence.ATTEMPTS,
    "privilege": privilege.ATTEMPTS,
    "resources": resources.ATTEMPTS,
}


@dataclass(frozen=True)
class Result:
    """The verdict on one attempt.

    Attributes:
        verdict: `blocked`; `open` (got there, and the level says so); `reached` (got there, and must not);
            `not tried` (it would do harm without walls).
        instead: what stands against an attempt that is open.
    """

    kind: str
    name: str
    does: str
    verdict: str
    instead: str = ""


def chosen(only: Iterable[str]) -> dict[str, tuple[Attempt, ...]]:
    """Return the attempts of some classes or names (`network`, `tcp`, `network/tcp`), or all.

    Raises:
        KeyError: a name is none.
    """
    wanted = set(only)
    known = {
        word for kind, all_ in CATALOGUE.items() for each in all_ for word in (kind, each.name, f"{kind}/{each.name}")
    }
    if wanted - known:
        raise KeyError(", ".join(sorted(wanted - known)))
    picked = {
        kind: tuple(each for each in all_ if not wanted or wanted & {kind, each.name, f"{kind}/{each.name}"})
        for kind, all_ in CATALOGUE.items()
    }
    return {kind: all_ for kind, all_ in picked.items() if all_}


def run(level: GuardLevel, host: Host, only: Iterable[str] = ()) -> Iterator[Result]:
    """Make attempts at a level and yield the verdicts.

    Raises:
        GuardError: the walls of that level cannot be raised here, or G0 was asked for as root.
    """
    if level is GuardLevel.G0 and os.getuid() == 0:
        raise GuardError("Without walls these attempts would do harm as root. Run the command as an ordinary person.")
    with Ground() as ground:
        for kind, attempts in chosen(only).items():
            yield from _class(kind, attempts, ground, Walls(level, host, ground))


def _class(kind: str, attempts: tuple[Attempt, ...], ground: Ground, walls: Walls) -> Iterator[Result]:
    with contextlib.ExitStack() as stack:
        stack.callback(walls.end)
        for attempt in attempts:
            if attempt.harmful and walls.level is GuardLevel.G0:
                yield Result(kind, attempt.name, attempt.does, "not tried")
                continue
            walls.stand()
            try:
                reached = _reached(attempt, ground, walls)
            finally:
                walls.next()
                ground.restore()
            known = _known(attempt, walls) if reached else ""
            verdict = ("open" if known else "reached") if reached else "blocked"
            yield Result(kind, attempt.name, attempt.does, verdict, known)


def _known(attempt: Attempt, walls: Walls) -> str:
    """Return what stands against an attempt that is known to get there, or nothing."""
    if walls.level is not GuardLevel.G0 and os.getuid() == 0 and attempt.open_to_root:
        return attempt.open_to_root
    if attempt.canary and not walls.canaries.get(attempt.canary, True):
        return "this kernel version cannot stop it, and the level says so"
    return attempt.open_at.get(str(walls.level), "")


def _reached(attempt: Attempt, ground: Ground, walls: Walls) -> bool:
    ground.usual_namespace = shown.user_namespace(walls.pid)
    evidence = walls.order(attempt.code, ground.aims)
    if attempt.ends:
        evidence.survived = walls.end()
    try:
        return bool(attempt.reached(ground, evidence))
    finally:
        for fd in evidence.fds:
            os.close(fd)
