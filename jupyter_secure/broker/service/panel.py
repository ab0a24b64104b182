"""Answers the sidebar: what a person may use and why, the log, the lineage and the budgets of a notebook.

Promises: nobody sees another person's entries or lineage but a protection officer; what somebody may not use does not
appear. Nothing here opens data or needs the vault's keys, so the sidebar works while the vault is locked.
"""

from __future__ import annotations

import asyncio
import contextlib

from msgspec.structs import replace

from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.consent import list_versions
from jupyter_secure.broker.gate import Gate
from jupyter_secure.broker.lineage.graph import FLOWS, ORIGINS, build
from jupyter_secure.broker.offers import Offers
from jupyter_secure.broker.policy.disclosure import asked_of
from jupyter_secure.broker.policy.offer import offer
from jupyter_secure.broker.refusal import refusal
from jupyter_secure.protocol.errors import IntegrityError, InvalidRequestError
from jupyter_secure.protocol.messages import (
    BudgetReply,
    CatalogReply,
    LineageReply,
    Load,
    LogReply,
    PanelBudget,
    PanelCatalog,
    PanelLineage,
    PanelLog,
    PanelWhy,
    RelayReply,
    Spent,
    Why,
    WhyReply,
)
from jupyter_secure.protocol.principal import Role
from jupyter_secure.protocol.record import Entry, Kind
from jupyter_secure.protocol.view import Rung

LOOKED_AT = 500  # entries; repeats and previews among them cost nothing
SHOWN = 50  # questions that spent budget


class Panel:
    """Everything that the sidebar may ask."""

    def __init__(self, gate: Gate, offers: Offers) -> None:
        self._gate = gate
        self._offers = offers

    async def answer(
        self, caller: Caller, body: PanelCatalog | PanelWhy | PanelBudget | PanelLog | PanelLineage
    ) -> RelayReply:
        """Answer one question of the sidebar.

        Raises:
            SecureError: the answer is no.
        """
        match body:
            case PanelCatalog():
                return await asyncio.to_thread(catalog, self._gate, caller)
            case PanelWhy():
                return await asyncio.to_thread(why, self._gate, caller, Why(dataset=body.dataset, column=body.column))
            case PanelBudget():
                history = await asyncio.to_thread(spent, self._gate.vault.audit, caller)
                return BudgetReply(gauges=await self._offers.gauges(caller, None), history=history)
            case PanelLog():
                return await asyncio.to_thread(self._log, caller, body)
            case PanelLineage():
                return await asyncio.to_thread(self._lineage, caller, body)

    def _log(self, caller: Caller, body: PanelLog) -> LogReply:
        audit = self._gate.vault.audit
        officer = caller.principal.has(Role.OFFICER)
        user = None if officer else caller.principal.name
        entries = audit.entries(notebook=body.notebook, user=user, before=body.before, limit=body.limit)
        shown = entries if officer else tuple(_as_told(entry) for entry in entries)
        return LogReply(entries=shown, checkpoint=audit.head().note)

    def _lineage(self, caller: Caller, body: PanelLineage) -> LineageReply:
        user = None if caller.principal.has(Role.OFFICER) else caller.principal.name
        audit = self._gate.vault.audit
        flows = audit.entries(notebook=body.notebook, user=user, kinds=FLOWS, limit=None)
        origins = audit.entries(kinds=ORIGINS, limit=None) if flows else ()
        return LineageReply(graph=build(body.notebook, (*flows, *origins)))


def _as_told(entry: Entry) -> Entry:
    # Version, policy and decision are there for a dataset that exists; whoever was refused is not told which it was.
    if entry.header.outcome != "refused":
        return entry
    return replace(entry, header=replace(entry.header, version=None, policy=None, decision=None))


def spent(audit: AuditLog, caller: Caller, dataset: str | None = None) -> tuple[Spent, ...]:
    """Return the last questions that spent budget: the person's own, for an officer everybody's."""
    user = None if caller.principal.has(Role.OFFICER) else caller.principal.name
    entries = audit.entries(user=user, dataset=dataset, kinds=(Kind.QUERY_ANSWERED,), limit=LOOKED_AT)
    paid = [
        entry for entry in entries if entry.header.cost not in {None, "0"} and not entry.header.extra.get("preview")
    ]
    return tuple(
        Spent(
            time=entry.header.time,
            dataset=entry.header.dataset or "",
            columns=entry.header.columns,
            cost=entry.header.cost or "",
            user=entry.personal.user if entry.personal else None,
            notebook=entry.personal.notebook if entry.personal else None,
            seq=entry.seq,
        )
        for entry in paid[:SHOWN]
    )


def catalog(gate: Gate, caller: Caller) -> CatalogReply:
    """Return what the person may use now, and as what."""
    policy = gate.policies.current()[1]
    context = replace(caller.context, lists=list_versions(policy, gate.vault.catalog))
    offers = []
    for name in gate.vault.catalog.names():
        # A damaged dataset is missing here; whoever may use it is told so by the load.
        with contextlib.suppress(IntegrityError):
            version = gate.vault.catalog.latest(name)
            offers.append(offer(policy, caller.principal, version, context))
    return CatalogReply(offers=tuple(found for found in offers if found is not None))


def why(gate: Gate, caller: Caller, request: Why) -> WhyReply:
    """Return the reasons of the decision that a load would meet now.

    Raises:
        RefusedError: there is no such dataset or column for the person.
    """
    version, decision = gate.decide(caller, Load(dataset=request.dataset, purpose=request.purpose))
    if version is None or decision is None or not (decision.view or decision.near_misses):
        raise refusal(request.dataset, decision)
    reasons = tuple(reason for reason in decision.reasons if request.column in {None, reason.column})
    if not reasons:
        raise InvalidRequestError(f"`{request.dataset}` has no column of that name.")
    near_misses = decision.near_misses
    if request.column is not None:
        one = Load(dataset=request.dataset, columns=(request.column,), purpose=request.purpose)
        alone = gate.decide(caller, one)[1]
        near_misses = alone.near_misses if alone else ()
    return WhyReply(
        dataset=request.dataset,
        rung=decision.view.rung if decision.view else Rung.DENY,
        reasons=reasons,
        near_misses=near_misses,
        policy=decision.policy,
        check=asked_of(decision.view.disclosure) if decision.view else "",
    )
