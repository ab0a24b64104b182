"""What is asked of a policy; every field comes from the broker's own records, never from a kernel."""

from __future__ import annotations

import msgspec

from jupyter_secure.protocol.access import AccessRequest
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
        approvals: requests for access of this person, as the store has them; what they are worth is decided here.
        acknowledged: of each purpose that the person acknowledged, the digest of the text.
        lists: newest version of each sealed list of persons that the policy joins; one that is missing is not sealed.
    """

    now_ms: Count
    guard: GuardLevel = GuardLevel.G0
    approvals: tuple[AccessRequest, ...] = ()
    acknowledged: dict[str, str] = msgspec.field(default_factory=dict)
    lists: dict[str, Count] = msgspec.field(default_factory=dict)


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
