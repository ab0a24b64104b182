"""Questions and trainings with differential privacy, through the same door.

`Questions.ask`, step by step; the numbers continue those of `broker.gate`:
 (1) to (3) as for a load, on the rung `dp`; then the question is bound to the policy's public facts, so what cannot be
     asked is refused without looking at data
 (3a) reserve the cost in the ledger, durably; the identical question is answered from the record, for free
 (3b) anchor the ledger's new head in the audit log: a ledger restored from a backup is then noticed; while (4) and (5)
     go on, and durable before anything leaves
 (4) unwrap the keys of only the columns that the question looks at
 (5) a worker computes exact sums and adds the noise
 (5a) keep the answer in the ledger, so that the same question never gets a second draw, and seal it to the kernel's key
 (6) ask policy once more, just before (6a) the next mark of a fixed grid of times, which failures wait for too; hand
     the sealed answer over; (7) record the outcome
Nothing is refunded when a step after (3a) fails: a refund would itself be an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass

import msgspec
import pyarrow as pa
from msgspec.structs import replace

from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.dp_terms import Purse, domain_of, purse_of
from jupyter_secure.broker.gate import Deliver, Gate, to_the_end
from jupyter_secure.broker.ledger.accountant import MAX_EPSILON, epsilon_of, units_of
from jupyter_secure.broker.ledger.chain import Head
from jupyter_secure.broker.ledger.ledger import Ledger, Reservation, StoredAnswer
from jupyter_secure.broker.ledger.scope import Scope, notebook_scope
from jupyter_secure.broker.pace import Pace
from jupyter_secure.broker.refusal import refusal
from jupyter_secure.broker.ruling import Ruling, outcome
from jupyter_secure.broker.store.database import reading
from jupyter_secure.broker.views.delivery import seal_table
from jupyter_secure.broker.views.dp.asking import bind_asked, columns_of, forecast_asked
from jupyter_secure.broker.views.dp.domain import describe, facts
from jupyter_secure.broker.views.dp.job import FAILED
from jupyter_secure.broker.views.question import DpJob, DpQuestion, DpResult
from jupyter_secure.protocol import sealing
from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.dpdomain import DpDomain, needed_columns
from jupyter_secure.protocol.errors import ConflictError, InvalidRequestError, RefusedError, SecureError
from jupyter_secure.protocol.messages import Answer, Gauge, Handle, Load, Query
from jupyter_secure.protocol.query import Question, question_digest
from jupyter_secure.protocol.record import Header, Kind
from jupyter_secure.protocol.training import Training
from jupyter_secure.protocol.trainingread import Asked, read_asked
from jupyter_secure.protocol.view import Rung, ViewSpec

MOST_BROKERS = 64  # on one database at once


@dataclass(frozen=True)
class Priced:
    """A question that may be asked, and what it costs."""

    question: Asked
    domain: DpDomain
    budget: Purse
    units: int


class Questions:
    """What may be asked of one vault, and the ledger that pays."""

    def __init__(self, gate: Gate, ledger: Ledger) -> None:
        self._gate = gate
        self._vault = gate.vault
        self._ledger = ledger
        self._anchor_holds = False
        self._anchoring = asyncio.Lock()

    async def ask(self, caller: Caller, wish: Query, deliver: Deliver) -> None:
        """Deliver the answer, or raise.

        Raises:
            InvalidRequestError: the question is outside the algebra or the policy's bounds; nothing was spent.
            RefusedError: policy does not permit it.
            BudgetError: the budget does not allow it; nothing was spent.
            SecureError: anything later; the question stays charged.
        """
        if caller.grant is None or not caller.public_key:
            raise InvalidRequestError("This kernel has not introduced itself. Restart it and run the cell again.")
        pace = Pace(caller.came)
        question = read_asked(wish.question)
        columns = tuple(sorted(columns_of(question)))
        load = Load(dataset=question.dataset, rung=Rung.DP, columns=columns or None, purpose=wish.purpose)
        extra = {"preview": "yes"} if wish.preview else {}
        ruling = await self._gate.rule(caller, load, Kind.QUERY_DECIDED, extra)
        try:
            if wish.preview:
                await deliver(await self._preview(caller, ruling, question, wish), None)
                return  # the log has it already, as a price that was asked; nothing more happened
            with contextlib.ExitStack() as held:
                try:
                    async with self._gate.turns[caller.principal.name]:
                        answer, fd = await self._answer(caller, ruling, question, wish.epsilon, held)
                    await pace.nearly()
                    await self._gate.require_still(caller, load, ruling)  # (6)
                finally:
                    await pace.mark()  # (6a)
                await deliver(answer, fd)
        except BaseException as error:
            await to_the_end(self._gate.failed(caller, ruling, Kind.QUERY_FAILED, error))
            raise
        # (7) The outcome. A question that names no column was permitted for all, and looked at none.
        done = replace(outcome(ruling, Kind.QUERY_ANSWERED, self._vault.now()), cost=answer.cost, columns=columns)
        await self._vault.audit.record(done, caller.personal(wish.purpose))

    async def handle(self, caller: Caller, ruling: Ruling) -> Handle:
        """Return what crosses on the rung `dp`: what may be asked, never any data."""
        domain, budget = await asyncio.to_thread(self._terms, ruling.view, ruling.version)
        facts(domain)  # what the policy says of the columns must be sound before anything is offered
        await self._set_caps(caller, ruling.view, budget)
        return Handle(
            dataset=ruling.view.dataset,
            version=ruling.view.version,
            columns=describe(domain, {column.name: column.type for column in ruling.version.columns}),
            gauges=await asyncio.to_thread(self._gauges, caller, ruling.view, budget),
            default_epsilon=budget.default_query,
            purpose=ruling.view.purpose,
            seq=ruling.seq,
        )

    async def gauges(self, caller: Caller, dataset: str | None) -> tuple[Gauge, ...]:
        """Return the budgets of the datasets that the person may question, or of one of them."""
        names = await asyncio.to_thread(self._vault.catalog.names) if dataset is None else (dataset,)
        found: list[Gauge] = []
        for name in names:
            version, decision = await asyncio.to_thread(self._gate.decide, caller, Load(dataset=name, rung=Rung.DP))
            terms = (await asyncio.to_thread(self._gate.policies.current))[1].datasets.get(name)
            if version is None or decision is None or decision.view is None:
                continue
            if terms is not None and terms.budget is not None:
                budget = purse_of(terms, version.measure)
                await self._set_caps(caller, decision.view, budget)
                found += await asyncio.to_thread(self._gauges, caller, decision.view, budget)
        return tuple(found)

    async def allow(self, caller: Caller, dataset: str, epsilon: str) -> None:
        """Let the caller's notebook spend so much of a dataset in all; less than it has spent becomes that.

        Raises:
            RefusedError: the person may not question it.
            InvalidRequestError: there is no notebook, or the number is out of range.
        """
        if caller.grant is None or not caller.grant.notebook:
            raise InvalidRequestError("Only a kernel with a notebook can be given an allowance.")
        version, decision = await asyncio.to_thread(self._gate.decide, caller, Load(dataset=dataset, rung=Rung.DP))
        terms = (await asyncio.to_thread(self._gate.policies.current))[1].datasets.get(dataset)
        if version is None or decision is None or decision.view is None or terms is None or terms.budget is None:
            raise refusal(dataset, decision)
        scope = notebook_scope(dataset, caller.principal.name, caller.grant.notebook)
        delta = purse_of(terms, version.measure).delta
        await asyncio.to_thread(self._ledger.set_cap, scope, units_of(epsilon, delta))

    async def _answer(
        self, caller: Caller, ruling: Ruling, question: Asked, epsilon: str | None, held: contextlib.ExitStack
    ) -> tuple[Answer, int]:
        """Return the message, with what the answer cost and what is left, and its descriptor, which `held` closes."""
        # (3a) Durable before anything is computed.
        priced, reserved = await asyncio.to_thread(self._reserve, caller, ruling, question, epsilon)
        if not isinstance(reserved, Reservation):
            gauges = await asyncio.to_thread(self._gauges, caller, ruling.view, priced.budget)
            # To the end, here and below: `held` closes what is sealed only if it hears of it before it closes.
            return await to_the_end(asyncio.to_thread(self._sealed, held, caller, ruling, reserved.answer, "", gauges))
        # (3b) Beside (4) and (5), since nothing leaves before both are done: an older ledger then does not fit the log.
        anchoring = asyncio.ensure_future(self._anchor())
        try:
            # (4) Keys for the worker, then (5) its exact sums with noise; the broker reads what is left meanwhile.
            job = await asyncio.to_thread(self._job, ruling, priced)
            reading = asyncio.to_thread(self._gauges, caller, ruling.view, priced.budget)
            finished, gauges = await asyncio.gather(self._gate.pool.run(job), reading)
        except SecureError as error:
            # One sentence for every failure after the charge: which one it was would be an answer without noise.
            raise SecureError(FAILED, detail=f"{error.code} {error.detail}") from None
        finally:
            await anchoring

        def keep_and_seal() -> tuple[Answer, int]:
            # (5a) One draw for one question, for ever.
            self._ledger.attach(reserved, finished.result)
            cost = epsilon_of(priced.units, priced.budget.delta)
            return self._sealed(held, caller, ruling, finished.result, cost, gauges)

        return await to_the_end(asyncio.to_thread(keep_and_seal))

    def _reserve(
        self, caller: Caller, ruling: Ruling, question: Asked, epsilon: str | None
    ) -> tuple[Priced, Reservation | StoredAnswer]:
        priced = self._price(caller, ruling, question, epsilon)
        self._write_caps(caller, ruling.view, priced.budget)
        domain = priced.domain.digest()  # of 100,000 keys it takes a while
        digest = question_digest(priced.question, version=ruling.version.digest, domain=domain, units=priced.units)
        scopes = self._scopes(caller, ruling.view)
        # A project's budget pays where policy has one, a notebook's where the person set one.
        needed = {"dataset", "person", *(("project",) if priced.budget.project else ())}
        paying = tuple(scope for scope in scopes if scope.kind in needed)
        also = tuple(scope for scope in scopes if scope.kind == "notebook")
        return priced, self._ledger.reserve(digest, paying, priced.units, also=also)

    def _job(self, ruling: Ruling, priced: Priced) -> DpJob:
        asked = priced.question
        columns = needed_columns(priced.domain, columns_of(asked))
        with reading(self._vault.engine):
            parts = self._gate.open_parts(ruling.version, frozenset(columns))
            lists = self._gate.open_lists(ruling.view.rows)
        return DpJob(
            parts=parts,
            lists=lists,
            asked=DpQuestion(
                question=asked if isinstance(asked, Question) else None,
                training=asked if isinstance(asked, Training) else None,
                domain=priced.domain,
                version=ruling.version.digest,
                units=priced.units,
                bounding_key=self._vault.keychain.bounding_key(ruling.version.digest),
            ),
        )

    def _sealed(
        self,
        held: contextlib.ExitStack,
        caller: Caller,
        ruling: Ruling,
        packed: bytes,
        cost: str,
        gauges: tuple[Gauge, ...],
    ) -> tuple[Answer, int]:
        """Return the message and the descriptor of an answer, which `held` closes; no cost: it was known."""
        assert caller.grant is not None
        result = msgspec.msgpack.decode(packed, type=DpResult)
        info = sealing.bind(caller.grant.id, ruling.request, ruling.digest)
        answer = _message(ruling, result.errors, cost or "0", gauges, repeated=not cost)
        table = pa.ipc.open_stream(result.stream).read_all()
        fd, seal, _, _ = seal_table(table, caller.public_key, info.encode())
        held.callback(os.close, fd)
        return replace(answer, rows=result.rows, seal=seal, info=info), fd

    async def _preview(self, caller: Caller, ruling: Ruling, question: Asked, wish: Query) -> Answer:
        priced = await asyncio.to_thread(self._price, caller, ruling, question, wish.epsilon)
        bound = bind_asked(priced.question, facts(priced.domain), priced.units)
        await self._set_caps(caller, ruling.view, priced.budget)
        cost = epsilon_of(priced.units, priced.budget.delta)
        gauges = await asyncio.to_thread(self._gauges, caller, ruling.view, priced.budget)
        return _message(ruling, forecast_asked(bound, wish.rows), cost, gauges, repeated=False)

    def _price(self, caller: Caller, ruling: Ruling, question: Asked, epsilon: str | None) -> Priced:
        # The domain names every column the person may ask about, not just these, so that the worker's normalised
        # columns serve the next question too.
        every = Load(dataset=ruling.view.dataset, rung=Rung.DP, purpose=ruling.view.purpose)
        with reading(self._vault.engine):
            version, decision = self._gate.decide(caller, every)
            if version != ruling.version or decision is None or decision.view is None:
                raise ConflictError("The policy changed meanwhile. Run the cell again; nothing was spent.")
            domain, budget = self._terms(decision.view, version)
        units = units_of(epsilon or budget.default_query, budget.delta)
        bind_asked(question, facts(domain), units)
        return Priced(question, domain, budget, units)

    def _gauges(self, caller: Caller, view: ViewSpec, budget: Purse) -> tuple[Gauge, ...]:
        found = self._ledger.gauges(self._scopes(caller, view), budget.delta)
        return tuple(replace(gauge, delta=budget.stated) for gauge in found)

    def _terms(self, view: ViewSpec, version: DatasetVersion) -> tuple[DpDomain, Purse]:
        self._require_anchor()
        policy = self._gate.policies.current()[1]
        terms = policy.datasets.get(view.dataset)
        if terms is None:
            raise RefusedError(detail="a dp view without a budget")
        return domain_of(view, version, terms, policy.terms.timezone), purse_of(terms, version.measure)

    async def _set_caps(self, caller: Caller, view: ViewSpec, budget: Purse) -> None:
        await asyncio.to_thread(self._write_caps, caller, view, budget)

    def _write_caps(self, caller: Caller, view: ViewSpec, budget: Purse) -> None:
        most = units_of(str(MAX_EPSILON), budget.delta)  # what delta pays for is bounded by it too
        said = {"dataset": budget.epsilon, "person": budget.person, "project": budget.project}

        def wanted(renewals: int) -> dict[Scope, int]:
            return {
                scope: min(units_of(epsilon, budget.delta) * (1 + renewals), most)
                for scope in self._scopes(caller, view)
                if (epsilon := said.get(scope.kind))
            }

        self._ledger.set_renewed_caps(view.dataset, wanted)

    @staticmethod
    def _scopes(caller: Caller, view: ViewSpec) -> tuple[Scope, ...]:
        name, person = view.dataset, caller.principal.name
        scopes = (Scope("dataset", name), Scope("person", name, person), Scope("project", name, view.project))
        if caller.grant is None or not caller.grant.notebook:
            return scopes
        return (*scopes, notebook_scope(name, person, caller.grant.notebook))

    async def _anchor(self) -> None:
        # One at a time, so that the last anchor of this broker in the log is its newest.
        async with self._anchoring:
            extra = {"head": str(self._ledger.seen)}
            header = Header(time=self._vault.now(), kind=Kind.LEDGER_ANCHORED, outcome="done", extra=extra)
            await self._vault.audit.record(header)

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


def _message(
    ruling: Ruling, errors: dict[str, float], cost: str, gauges: tuple[Gauge, ...], *, repeated: bool
) -> Answer:
    view = ruling.view
    return Answer(
        dataset=view.dataset,
        version=view.version,
        cost=cost,
        errors=errors,
        repeated=repeated,
        gauges=gauges,
        seq=ruling.seq,
    )
