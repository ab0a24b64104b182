"""Connections of kernels to other computers: what the guard's proxy asks before it makes one.

Steps for each connection: (1) person, kernel and guard level come from the broker's records, (2) a pure decision, (3)
recorded durably, permitted or refused; no log, no connection. Promises: what a kernel was given counts from before it
is handed over; a grant from before this broker started counts as having loaded everything, because what it was given
is not known any more; on a Hub nothing is permitted, because whoever asks there could have asked for itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.gate import to_the_end
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.policy.egress import permits, reach
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.errors import RefusedError
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.host import normal_host
from jupyter_secure.protocol.messages import Connect, Delivery, Done, NetworkReply, RelayReply
from jupyter_secure.protocol.record import Header, Kind
from jupyter_secure.protocol.view import Rung

Reply = Callable[[RelayReply, int | None], Awaitable[None]]
EVERYTHING = {Rung.MASKED: "before the broker started", Rung.RAW: "before the broker started"}
_REFUSED = "Policy does not let this kernel connect to {host}:{port} now. `%secure_status` says what it reaches."
_NO_WALL = "No network: only bubblewrap (G3) can give a kernel some hosts and no others."
_ON_A_HUB = "What this kernel reaches is decided by the cluster's network policy."


@dataclass
class Egress:
    """What the kernels of one vault may reach.

    Attributes:
        offered: whether there is a proxy that can be believed; not on a Hub.
        loaded: for each grant the rungs of what it was given, each with the first dataset of that rung.
    """

    vault: Vault
    policies: Policies
    offered: bool
    loaded: dict[str, dict[Rung, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Remember since when is known what kernels are given."""
        self._since = self.vault.now()

    def noting(self, caller: Caller, reply: Reply) -> Reply:
        """Return a `reply` that notes a view before it hands it over."""

        async def noted(body: RelayReply, fd: int | None) -> None:
            if isinstance(body, Delivery) and caller.grant is not None:
                self.loaded.setdefault(caller.grant.id, {}).setdefault(body.rung, f"since {body.dataset} was loaded")
            await reply(body, fd)

        return noted

    async def connect(self, caller: Caller, body: Connect) -> Done:
        """Permit one connection, or raise; `again` asks about one that was permitted, and records nothing.

        Raises:
            InvalidRequestError: that is not a host.
            RefusedError: policy does not permit it.
            AuditUnavailableError: the log cannot be written.
        """
        host = normal_host(body.host)
        policy = (await asyncio.to_thread(self.policies.current))[1]
        loaded = self._loaded(caller).keys()
        table = permits(policy, caller.principal, loaded, host, body.port) if self._walled(caller) else None
        if not body.again:
            header = Header(
                time=self.vault.now(),
                kind=Kind.EGRESS_DECIDED,
                outcome="permitted" if table else "refused",
                request=secrets.token_hex(8),
                policy=policy.digest,
                guard=caller.guard,
                extra={"table": table} if table else {},
            )
            # The kernel chose the host, so it may hold anything, and stands in the part that can be erased.
            await to_the_end(self.vault.audit.record(header, caller.personal(note=f"{host}:{body.port}")))
        # What was loaded while the entry was written counts.
        if table is None or self._loaded(caller).keys() != loaded:
            raise RefusedError(_REFUSED.format(host=host, port=body.port))
        return Done()

    def network(self, caller: Caller) -> NetworkReply:
        """Say what a kernel reaches now; without a grant, what a new kernel of the person would."""
        if not self.offered:
            return NetworkReply(hosts=(), sentence=_ON_A_HUB)
        loaded = self._loaded(caller)
        policy = self.policies.current()[1]
        hosts, ever = (reach(policy, caller.principal, given) for given in (loaded.keys(), set[Rung]()))
        if ever and caller.grant is not None and not self._walled(caller):
            return NetworkReply(hosts=(), sentence=_NO_WALL)
        return NetworkReply(hosts=hosts, sentence=_sentence(hosts, sorted(set(ever) - set(hosts)), loaded))

    def _walled(self, caller: Caller) -> bool:
        return self.offered and caller.grant is not None and caller.grant.guard.level is GuardLevel.G3

    def _loaded(self, caller: Caller) -> dict[Rung, str]:
        if caller.grant is None:
            return {}
        if caller.grant.issued_at < self._since:
            return EVERYTHING
        return dict(self.loaded.get(caller.grant.id, {}))


def _sentence(hosts: tuple[str, ...], closed: list[str], loaded: dict[Rung, str]) -> str:
    said = [f"{', '.join(hosts)} through the guard's proxy."] if hosts else []
    if closed:
        why = " and ".join(sorted(set(loaded.values())))
        said.append(f"{', '.join(closed)} closed {why}; a restart of the kernel opens it again.")
    return " ".join(said) or "No network."
