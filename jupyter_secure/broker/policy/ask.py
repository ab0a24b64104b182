"""What is asked of a policy; every field comes from the broker's own records, never from a kernel."""

from __future__ import annotations

from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.noun import Count, Noun
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung


class Context(Noun):
    """The circumstances.

    Attributes:
        now_ms: milliseconds since 1970, of the broker's clock.
        guard: the measured level of the kernel; G0 where there is none.
    """

    now_ms: Count
    guard: GuardLevel = GuardLevel.G0


class Ask(Noun):
    """One question.

    Attributes:
        rung: the highest rung wanted; None means the highest permitted.
        columns: None means all; a name twice counts once.
    """

    principal: Principal
    dataset: DatasetVersion
    context: Context
    rung: Rung | None = None
    columns: tuple[str, ...] | None = None
    purpose: str | None = None
