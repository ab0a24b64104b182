"""What a kernel holds: a grant, and the measured level of its confinement.

A grant is a record of the broker, not a bearer token: the kernel holds only the inherited channel that the grant is
bound to. See docs/spec/grant-v1.md.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from .noun import Count, KernelId, NotebookPath, Noun, UserName


class GuardLevel(enum.StrEnum):
    """How confined a kernel is, as measured; never as configured."""

    G0 = "G0"  # not at all
    G1 = "G1"  # partly
    G2 = "G2"  # launcher: Landlock, seccomp, limits
    G3 = "G3"  # bubblewrap and launcher
    G4 = "G4"  # separate container or machine

    def reaches(self, required: GuardLevel) -> bool:
        """Say whether this level is at least the required one."""
        return list(GuardLevel).index(self) >= list(GuardLevel).index(required)


class GuardReport(Noun):
    """The measurement.

    Attributes:
        layers: what is in force, for example `bubblewrap`, `landlock-7`, `seccomp`.
        canaries: name of each attempt and whether it was blocked, from inside the kernel's own walls.
        outside: what the process shows from outside (`NoNewPrivs`, `Seccomp`, `CapEff`, namespaces that differ).
        missing: sentences on what is not enforced, and why.
    """

    level: GuardLevel
    layers: tuple[str, ...] = ()
    canaries: dict[str, bool] = msgspec.field(default_factory=dict)
    outside: dict[str, str] = msgspec.field(default_factory=dict)
    missing: tuple[str, ...] = ()


class Grant(Noun):
    """Bound to one person, kernel, notebook and guard level; expires.

    Attributes:
        server: name of the Hub's server that the kernel runs on; empty for the person's default one, None on a laptop.
    """

    id: str
    user: UserName
    kernel: KernelId
    notebook: NotebookPath
    guard: GuardReport
    issued_at: Count
    expires_at: Count
    server: Annotated[str, msgspec.Meta(max_length=255)] | None = None
