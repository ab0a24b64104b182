"""Questions and trainings with differential privacy, through the same door.

`Questions.ask`, step by step; the numbers continue those of `broker.gate`:
 (1) to (3) as for a load, on the rung `dp`; then the question is bound to the policy's public facts, so what cannot be
     asked is refused without looking at data
 (4) unwrap the keys of only the columns that the question looks at, unless its answer is on record or no budget pays
 (4a) a worker begins on the exact sums, which stay there and are forgotten if the question is not paid
 (4b) meanwhile reserve the cost in the ledger, durably; the identical question is answered from the record, for free
 (4c) anchor the ledger's new head in the audit log: a ledger restored from a backup is then noticed; while (5) goes on,
     and durable before anything leaves
 (5) the worker is told that it is paid, and adds the noise
 (5a) keep the answer in the ledger, so that the same question never gets a second draw, and seal it to the kernel's key
 (6) ask policy once more, just before (6a) the next mark of a fixed grid of times, which failures wait for too; hand
     the sealed answer over; (7) record the outcome
Nothing is refunded when a step after (4b) fails: a refund would itself be an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.dp_terms import Purse
from jupyter_secure.broker.gate import Deliver, Gate, to_the_end
from jupyter_secure.broker.ledger.accountant import epsilon_of, units_of
from jupyter_secure.broker.ledger.ledger import Ledger, Reservation, StoredAnswer
from jupyter_secure.broker.pace import Pace
from jupyter_secure.broker.ruling import Ruling, outcome
from jupyter_secure.broker.spending import Spending, told
from jupyter_secure.broker.store.database import reading
from jupyter_secure.broker.views.delivery import TableSealer
from jupyter_secure.broker.views.dp.asking import bind_asked, columns_of, forecast_asked
from jupyter_secure.broker.views.dp.domain import facts
from jupyter_secure.broker.views.dp.job import FAILED
from jupyter_secure.broker.views.question import DpJob, DpQuestion, DpResult
from jupyter_secure.broker.views.underway import Underway
from jupyter_secure.protocol import sealing
from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.dpdomain import DpDomain, needed_columns
from jupyter_secure.protocol.errors import ConflictError, InvalidRequestError, SecureError
from jupyter_secure.protocol.messages import Answer, Gauge, Load, Query
from jupyter_secure.protocol.query import Question, question_digest
from jupyter_secure.protocol.record import Kind
from jupyter_secure.protocol.training import Training
from jupyter_secure.protocol.trainingread import Asked, read_asked
from jupyter_secure.protocol.view import Rung

LOG = logging.getLogger("jupyter_secure.broker")


@dataclass(frozen=True)
class Priced:
    """A question that may be asked, and what it costs."""

    question: Asked
    domain: DpDomain
    purse: Purse
    units: int

    @property
    def cost(self) -> str:
        """Return it as an epsilon."""
        return epsilon_of(self.units, self.purse.delta)

    def digest(self, version: DatasetVersion) -> str:
        """Return what the question is known by in the ledger; of a domain of 100,000 keys it takes a while."""
        domain = self.domain.digest()
        return question_digest(self.question, version=version.digest, domain=domain, units=self.units)


@dataclass(frozen=True)
class _Cover:
    """What goes with an answer, made before the answer is there; no cost where it was known."""

    gauges: tuple[Gauge, ...]
    cost: str
    info: str
    sealer: TableSealer


@dataclass(frozen=True)
class _Paid:
    """What the ledger has of a question, and the work on it."""

    reserved: Reservation
    work: Underway


Begun = Callable[
    [asyncio.AbstractEventLoop, contextlib.ExitStack, contextlib.AsyncExitStack], tuple[_Cover, StoredAnswer | _Paid]
]


class Questions:
    """What may be asked of one vault, and the ledger that pays."""

    def __init__(self, gate: Gate, ledger: Ledger, spending: Spending) -> None:
        self._gate = gate
        self._vault = gate.vault
        self._ledger = ledger
        self._spending = spending

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
                    # A turn ends when no worker is busy with it any more, whatever became of it.
                    async with self._gate.turns[caller.principal.name], contextlib.AsyncExitStack() as works:
                        begun = functools.partial(self._begun, caller, ruling, question, wish.epsilon)
                        answer, fd = await self._answer(ruling, begun, held, works)
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

    async def _answer(
        self, ruling: Ruling, begun: Begun, held: contextlib.ExitStack, works: contextlib.AsyncExitStack
    ) -> tuple[Answer, int]:
        """Return the message, with what the answer cost and what is left, and its descriptor, which `held` closes."""
        # To the end, here and below: what is begun is ended and what is sealed is closed only by who heard of it.
        cover, found = await to_the_end(asyncio.to_thread(begun, asyncio.get_running_loop(), held, works))
        if isinstance(found, StoredAnswer):
            return await to_the_end(asyncio.to_thread(self._sealed, held, ruling, cover, found.answer))

        def keep_and_seal() -> tuple[Answer, int]:
            self._ledger.attach(found.reserved, finished.result)  # (5a) one draw for one question, for ever
            return self._sealed(held, ruling, cover, finished.result)

        with _charged():
            finished = await found.work.finished()  # (5)
            return await to_the_end(asyncio.to_thread(keep_and_seal))

    def _begun(
        self,
        caller: Caller,
        ruling: Ruling,
        question: Asked,
        epsilon: str | None,
        loop: asyncio.AbstractEventLoop,
        held: contextlib.ExitStack,
        works: contextlib.AsyncExitStack,
    ) -> tuple[_Cover, StoredAnswer | _Paid]:
        """Return what goes with the answer, and the answer where it is known, else what is made of it."""

        def begin(job: DpJob) -> Underway:
            work = Underway(self._gate.pool, job, loop)
            works.push_async_callback(work.end)
            return work

        view = ruling.view
        priced = self._price(caller, ruling, question, epsilon)
        assert caller.grant is not None
        info = sealing.bind(caller.grant.id, ruling.request, ruling.digest)
        sealer = TableSealer(caller.public_key, info.encode())  # before anything is spent
        self._spending.renew_caps(caller, view, priced.purse)
        with reading(self._vault.engine):
            digest = priced.digest(ruling.version)
            # What will not be paid is not begun: nobody keeps workers busy for free.
            charges = self._spending.charges(caller, view, priced.purse, digest, priced.units)
            job = self._job(ruling, priced) if charges else None  # (4)
        work = begin(job) if job is not None else None  # (4a)
        reserved = self._spending.reserve(caller, view, priced.purse, digest, priced.units)  # (4b)
        if isinstance(reserved, StoredAnswer):
            return _Cover(told(reserved.balances, priced.purse), "", info, sealer), reserved
        with _charged():
            if work is None:  # a budget has grown since it was looked at
                work = begin(self._job(ruling, priced))
            work.pay()
            self._spending.anchor()  # (4c)
        # What to tell after the next question, once this answer has left.
        expect = functools.partial(self._spending.expect, reserved.balances, priced.purse, priced.units)
        held.callback(loop.run_in_executor, None, expect)
        return _Cover(told(reserved.balances, priced.purse), priced.cost, info, sealer), _Paid(reserved, work)

    def _job(self, ruling: Ruling, priced: Priced) -> DpJob:
        asked = priced.question
        columns = needed_columns(priced.domain, columns_of(asked))
        return DpJob(
            parts=self._gate.open_parts(ruling.version, frozenset(columns)),
            lists=self._gate.open_lists(ruling.view.rows),
            asked=DpQuestion(
                question=asked if isinstance(asked, Question) else None,
                training=asked if isinstance(asked, Training) else None,
                domain=priced.domain,
                version=ruling.version.digest,
                units=priced.units,
                bounding_key=self._vault.keychain.bounding_key(ruling.version.digest),
            ),
        )

    def _sealed(self, held: contextlib.ExitStack, ruling: Ruling, cover: _Cover, packed: bytes) -> tuple[Answer, int]:
        """Return the message and the descriptor of an answer, which `held` closes."""
        result = msgspec.msgpack.decode(packed, type=DpResult)
        answer = _message(ruling, result.errors, cover.cost or "0", cover.gauges, repeated=not cover.cost)
        fd = cover.sealer.seal(result.stream, result.rows)
        held.callback(os.close, fd)
        return replace(answer, rows=result.rows, seal=cover.sealer.opens, info=cover.info), fd

    async def _preview(self, caller: Caller, ruling: Ruling, question: Asked, wish: Query) -> Answer:
        priced = await asyncio.to_thread(self._price, caller, ruling, question, wish.epsilon)
        bound = bind_asked(priced.question, facts(priced.domain), priced.units)
        gauges = await asyncio.to_thread(self._spending.gauges, caller, ruling.view, priced.purse)
        return _message(ruling, forecast_asked(bound, wish.rows), priced.cost, gauges, repeated=False)

    def _price(self, caller: Caller, ruling: Ruling, question: Asked, epsilon: str | None) -> Priced:
        # The domain names every column the person may ask about, not just these, so that the worker's normalised
        # columns serve the next question too.
        every = Load(dataset=ruling.view.dataset, rung=Rung.DP, purpose=ruling.view.purpose)
        with reading(self._vault.engine):
            version, decision = self._gate.decide(caller, every)
            if version != ruling.version or decision is None or decision.view is None:
                raise ConflictError("The policy changed meanwhile. Run the cell again; nothing was spent.")
            domain, purse = self._spending.terms(decision.view, version)
        units = units_of(epsilon or purse.default_query, purse.delta)
        bind_asked(question, facts(domain), units)
        return Priced(question, domain, purse, units)


@contextlib.contextmanager
def _charged() -> Iterator[None]:
    """Give one sentence for every failure after the charge: which one it was would be an answer without noise."""
    try:
        yield
    except SecureError as error:
        raise SecureError(FAILED, detail=f"{error.code} {error.detail}") from None
    except Exception as error:
        LOG.exception("after the charge")  # the person is told one sentence, the operator where it was
        raise SecureError(FAILED, detail=type(error).__name__) from None


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
