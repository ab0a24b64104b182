"""Who asks, from where: made by the broker from its own records, never from what a kernel says."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from jupyter_secure.broker.policy.ask import Context
from jupyter_secure.protocol.access import AccessRequest
from jupyter_secure.protocol.grant import Grant, GuardLevel
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.record import Personal


@dataclass(frozen=True)
class Caller:
    """One request's origin.

    Attributes:
        grant: of the kernel that asks; None when the person asks through the sidebar without a kernel.
        approvals: of the person, as the store has them now; `acknowledged` likewise, text digests by purpose.
        public_key: the kernel's X25519 key; empty until it said hello.
        came: when the request reached the broker, in seconds of the monotonic clock.
        again: reads the same origin from the records once more, or raises `UnauthenticatedError`; for work that waits.
    """

    principal: Principal
    now_ms: int
    again: Callable[[], Awaitable[Caller]]
    grant: Grant | None = None
    public_key: bytes = b""
    approvals: tuple[AccessRequest, ...] = ()
    acknowledged: dict[str, str] = field(default_factory=dict)
    came: float = field(default_factory=time.monotonic)

    @property
    def guard(self) -> GuardLevel:
        """The measured level; G0 where no kernel is."""
        return self.grant.guard.level if self.grant else GuardLevel.G0

    @property
    def context(self) -> Context:
        """What policy may know of the circumstances."""
        return Context(now_ms=self.now_ms, guard=self.guard, approvals=self.approvals, acknowledged=self.acknowledged)

    def personal(self, purpose: str | None = None, note: str | None = None) -> Personal:
        """The erasable part of a log entry about this request."""
        kernel, notebook = (self.grant.kernel, self.grant.notebook) if self.grant else (None, None)
        return Personal(user=self.principal.name, kernel=kernel, notebook=notebook, purpose=purpose, note=note)
