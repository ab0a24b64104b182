"""What an attempt is: code for the confined process, and a judgement made outside.

The code runs in `agent.py`, where it finds `at` (what to aim at), `tell(bytes)` and `give(descriptor)` to carry things
out, and `call(name, *arguments)` for system calls. Whatever it raises means that it did not get there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import shown

CLASSES = {
    "network": "reaches a network, or a socket of another program",
    "files": "reads what it was not given",
    "tamper": "changes the vault, its log or its broker",
    "process": "reaches into another process",
    "persistence": "leaves something that runs later",
    "privilege": "gains a privilege, or a part of the kernel that ordinary code does not need",
    "resources": "takes more than its share",
}


@dataclass
class Evidence:
    """What came out of one attempt, as the operating system vouches for it.

    Attributes:
        said: bytes that were told.
        fds: descriptors that were given; the trial closes them.
        pids: of every process that sent something.
        survived: a process outlived the kernel.
    """

    said: bytes = b""
    fds: list[int] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)
    survived: bool = False


Judge = Callable[[Any, Evidence], bool]


@dataclass(frozen=True)
class Attempt:
    """One attempt.

    Attributes:
        name: unique inside its class.
        does: what it does, after "The kernel".
        code: Python source for the agent.
        reached: judges, given the ground and the evidence, whether it got there.
        open_at: levels at which it is known to get there, each with what stands against it instead.
        open_to_root: why root gets there at every level, if that is so.
        canary: the launcher's own attempt of the same kind; where that got through, the level says so already.
        ends: the verdict needs the end of the confined process.
        harmful: not made without walls, because there it would do harm.
    """

    name: str
    does: str
    code: str
    reached: Judge
    open_at: Mapping[str, str] = field(default_factory=dict)
    open_to_root: str = ""
    canary: str = ""
    ends: bool = False
    harmful: bool = False


def told(name: str) -> Judge:
    """Judge by a secret of the ground among what was told."""
    return lambda ground, evidence: ground.secrets[name] in evidence.said


def holds(what: str) -> Judge:
    """Judge by a descriptor of a kind that came out, or is open in a process that sent something."""
    return lambda _, evidence: (
        what in (shown.link(f"/proc/self/fd/{fd}") for fd in evidence.fds) or what in shown.descriptors(evidence.pids)
    )


def heard(name: str) -> Judge:
    """Judge by what a listener of the ground heard."""
    return lambda ground, _: ground.heard(name)
