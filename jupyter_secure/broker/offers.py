"""What a person is offered before a question is asked: a handle on a private dataset, budgets, an allowance.

Nothing here looks at a row or spends anything; each answer says no more than policy lets the person know.
"""

from __future__ import annotations

import asyncio

from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.dp_terms import Purse, purse_of
from jupyter_secure.broker.gate import Gate
from jupyter_secure.broker.ledger.accountant import units_of
from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.ledger.scope import notebook_scope
from jupyter_secure.broker.refusal import refusal
from jupyter_secure.broker.ruling import Ruling
from jupyter_secure.broker.spending import Spending
from jupyter_secure.broker.views.dp.domain import describe, facts
from jupyter_secure.protocol.decision import Decision
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import Gauge, Handle, Load
from jupyter_secure.protocol.view import Rung, ViewSpec


class Offers:
    """The private datasets of one vault, as people are told of them."""

    def __init__(self, gate: Gate, ledger: Ledger, spending: Spending) -> None:
        self._gate = gate
        self._ledger = ledger
        self._spending = spending

    async def handle(self, caller: Caller, ruling: Ruling) -> Handle:
        """Return what crosses on the rung `dp`: what may be asked, never any data."""
        domain, purse = await asyncio.to_thread(self._spending.terms, ruling.view, ruling.version)
        facts(domain)  # what the policy says of the columns must be sound before anything is offered
        return Handle(
            dataset=ruling.view.dataset,
            version=ruling.view.version,
            columns=describe(domain, {column.name: column.type for column in ruling.version.columns}),
            gauges=await asyncio.to_thread(self._spending.gauges, caller, ruling.view, purse),
            default_epsilon=purse.default_query,
            purpose=ruling.view.purpose,
            seq=ruling.seq,
        )

    async def gauges(self, caller: Caller, dataset: str | None) -> tuple[Gauge, ...]:
        """Return the budgets of the datasets that the person may question, or of one of them."""
        names = await asyncio.to_thread(self._gate.vault.catalog.names) if dataset is None else (dataset,)
        found: list[Gauge] = []
        for name in names:
            view, purse, _ = await asyncio.to_thread(self._offered, caller, name)
            if view is not None and purse is not None:
                found += await asyncio.to_thread(self._spending.gauges, caller, view, purse)
        return tuple(found)

    async def allow(self, caller: Caller, dataset: str, epsilon: str) -> None:
        """Let the caller's notebook spend so much of a dataset in all; less than it has spent becomes that.

        Raises:
            RefusedError: the person may not question it.
            InvalidRequestError: there is no notebook, or the number is out of range.
        """
        if caller.grant is None or not caller.grant.notebook:
            raise InvalidRequestError("Only a kernel with a notebook can be given an allowance.")
        view, purse, decision = await asyncio.to_thread(self._offered, caller, dataset)
        if view is None or purse is None:
            raise refusal(dataset, decision)
        scope = notebook_scope(dataset, caller.principal.name, caller.grant.notebook)
        async with self._gate.turns[caller.principal.name]:  # not while a question of the person's is being paid
            await asyncio.to_thread(self._ledger.set_cap, scope, units_of(epsilon, purse.delta))

    def _offered(self, caller: Caller, dataset: str) -> tuple[ViewSpec | None, Purse | None, Decision | None]:
        """Return what the person may ask of a dataset and spend on it, None for either where there is nothing."""
        version, decision = self._gate.decide(caller, Load(dataset=dataset, rung=Rung.DP))
        terms = self._gate.policies.current()[1].datasets.get(dataset)
        if version is None or decision is None or terms is None or terms.budget is None:
            return None, None, decision
        return decision.view, purse_of(terms, version.measure), decision
