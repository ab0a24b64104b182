"""Whose budgets pay for a person's questions: kept as policy says, told, and anchored in the audit log.

Promises: a budget has the cap that policy gives it, with every renewal, before anything is spent; no private question
is answered while the ledger is not the one that the log saw last.
"""

from __future__ import annotations

import dataclasses
import threading

from msgspec.structs import replace

from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.dp_terms import Purse, domain_of, purse_of
from jupyter_secure.broker.ledger.accountant import MAX_EPSILON, units_of
from jupyter_secure.broker.ledger.balance import Balance, gauges_of
from jupyter_secure.broker.ledger.chain import Head
from jupyter_secure.broker.ledger.ledger import Ledger, Reservation, StoredAnswer
from jupyter_secure.broker.ledger.scope import Scope, notebook_scope
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.dpdomain import DpDomain
from jupyter_secure.protocol.errors import RefusedError
from jupyter_secure.protocol.messages import Gauge
from jupyter_secure.protocol.record import Header, Kind
from jupyter_secure.protocol.view import ViewSpec

MOST_BROKERS = 64  # on one database at once


class Spending:
    """The budgets of one vault."""

    def __init__(self, vault: Vault, policies: Policies, ledger: Ledger) -> None:
        self._vault = vault
        self._policies = policies
        self._ledger = ledger
        self._anchor_holds = False
        self._anchoring = threading.Lock()

    def terms(self, view: ViewSpec, version: DatasetVersion) -> tuple[DpDomain, Purse]:
        """Return what may be asked and spent.

        Raises:
            RefusedError: policy names no privacy unit or budget.
            IntegrityError: the ledger is not the one that was recorded.
        """
        self._require_anchor()
        policy = self._policies.current()[1]
        terms = policy.datasets.get(view.dataset)
        if terms is None:
            raise RefusedError(detail="a dp view without a budget")
        return domain_of(view, version, terms, policy.terms.timezone), purse_of(terms, version.measure)

    def renew_caps(self, caller: Caller, view: ViewSpec, purse: Purse) -> None:
        """Give budgets the caps that policy says; not inside a reading."""
        if stale := self._stale_caps(caller, view, purse):
            self._ledger.set_caps(stale)

    def gauges(self, caller: Caller, view: ViewSpec, purse: Purse) -> tuple[Gauge, ...]:
        """Return the budgets of a person as they are, with the caps that policy says."""
        self.renew_caps(caller, view, purse)
        return told(self._ledger.balances(scopes_of(caller, view)), purse)

    def charges(self, caller: Caller, view: ViewSpec, purse: Purse, question: str, units: int) -> bool:
        """Say whether `reserve` would spend now, rather than refuse or find the answer on record."""
        paying, also = _paying(caller, view, purse)
        return self._ledger.charges(question, paying, units, also=also)

    def reserve(
        self, caller: Caller, view: ViewSpec, purse: Purse, question: str, units: int
    ) -> Reservation | StoredAnswer:
        """Spend from everybody's budget who pays, durably; raises as `Ledger.reserve`."""
        paying, also = _paying(caller, view, purse)
        return self._ledger.reserve(question, paying, units, also=also, shown=scopes_of(caller, view))

    def expect(self, balances: tuple[Balance, ...], purse: Purse, units: int) -> None:
        """Find out what will be told after one more question at the same price: what most next questions cost."""
        told(tuple(dataclasses.replace(balance, spent=balance.spent + units) for balance in balances), purse)

    def anchor(self) -> None:
        """Put the newest state of the ledger into the audit log, durably.

        Raises:
            AuditUnavailableError: it could not be written.
        """
        # One at a time, so that the last anchor of this broker in the log is its newest.
        with self._anchoring:
            extra = {"head": str(self._ledger.seen)}
            header = Header(time=self._vault.now(), kind=Kind.LEDGER_ANCHORED, outcome="done", extra=extra)
            self._vault.audit.append(header, remember=False)

    def _stale_caps(self, caller: Caller, view: ViewSpec, purse: Purse) -> dict[Scope, int]:
        """Return the caps that are not yet what policy says."""
        most = units_of(str(MAX_EPSILON), purse.delta)  # what delta pays for is bounded by it too
        said = {"dataset": purse.epsilon, "person": purse.person, "project": purse.project}

        def wanted(renewals: int) -> dict[Scope, int]:
            return {
                scope: min(units_of(epsilon, purse.delta) * (1 + renewals), most)
                for scope in scopes_of(caller, view)
                if (epsilon := said.get(scope.kind))
            }

        return self._ledger.stale_caps(view.dataset, wanted)

    def _require_anchor(self) -> None:
        """Refuse every private question while the ledger is not the one that the log saw last."""
        if self._anchor_holds:
            return
        # Each broker anchors one head at a time, so with several the newest is among the last few.
        anchors = self._vault.audit.entries(kinds=(Kind.LEDGER_ANCHORED,), limit=MOST_BROKERS)
        heads = [Head.parse(entry.header.extra.get("head", "")) for entry in anchors]
        if heads:
            self._ledger.check_anchor(max(heads, key=lambda head: head.size))
        self._anchor_holds = True


def told(balances: tuple[Balance, ...], purse: Purse) -> tuple[Gauge, ...]:
    """Return what a person is told of budgets, with the delta that the policy states."""
    return tuple(replace(gauge, delta=purse.stated) for gauge in gauges_of(balances, purse.delta))


def scopes_of(caller: Caller, view: ViewSpec) -> tuple[Scope, ...]:
    """Return the budgets that concern a person's questions, whether or not somebody has set them."""
    name, person = view.dataset, caller.principal.name
    scopes = (Scope("dataset", name), Scope("person", name, person), Scope("project", name, view.project))
    if caller.grant is None or not caller.grant.notebook:
        return scopes
    return (*scopes, notebook_scope(name, person, caller.grant.notebook))


def _paying(caller: Caller, view: ViewSpec, purse: Purse) -> tuple[tuple[Scope, ...], tuple[Scope, ...]]:
    """Return the budgets that must pay, and those that pay where somebody has set them."""
    scopes = scopes_of(caller, view)
    # A project's budget pays where policy has one, a notebook's where the person set one.
    needed = {"dataset", "person", *(("project",) if purse.project else ())}
    return (
        tuple(scope for scope in scopes if scope.kind in needed),
        tuple(scope for scope in scopes if scope.kind == "notebook"),
    )
