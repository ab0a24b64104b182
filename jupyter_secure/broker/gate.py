"""The one door: a kernel holds a grant, the broker holds the keys, and a view is all that ever crosses.

`Gate.load`, step by step; the numbers stand in its body:
 (1) from where: grant, person and guard level come from the broker's records, the wish alone from the kernel
 (2) may they: a pure decision
 (3) record it durably, permitted or refused; no log, no data
 (4) unwrap the keys of only the columns that the view needs, unless exactly this view is kept (`broker.cache`)
 (5) a worker decrypts, filters, masks and seals the view to the kernel's key
 (6) ask policy once more, because (4) and (5) may have waited for others, and hand the sealed stream over
 (7) record how it ended: rows and digest; every permitted request ends in the log, also one that was cancelled (of a
     preview the decision is the end, since nothing is opened for it)

Loads and questions of one person take turns, so that nobody can hold all workers by not reading.

`Gate.load` on the rung `dp` goes from (3) to (7): what crosses is a handle. Questions come through
`broker.question`, which walks the same steps with the ledger beside (4) and (5).
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from msgspec.structs import replace

from jupyter_secure.broker import plaintext
from jupyter_secure.broker.cache import ViewCache
from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.challenges import Challenges
from jupyter_secure.broker.consent import list_versions
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.policy.ask import Ask
from jupyter_secure.broker.policy.decide import decide
from jupyter_secure.broker.policy.policy import Policy
from jupyter_secure.broker.pouring import KeptStream
from jupyter_secure.broker.refusal import refusal
from jupyter_secure.broker.ruling import Ruling, delivery, noted, outcome, said_of
from jupyter_secure.broker.sealed.reader import open_version
from jupyter_secure.broker.served import Served
from jupyter_secure.broker.step_up import missing
from jupyter_secure.broker.store.database import reading
from jupyter_secure.broker.vault import Vault
from jupyter_secure.broker.views.jobs import Finished
from jupyter_secure.broker.views.plan import Part, PersonList, ViewPlan, keyed, looked_at, needed
from jupyter_secure.broker.views.pool import WorkerPool
from jupyter_secure.broker.views.stream import ViewStream
from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.decision import Decision
from jupyter_secure.protocol.errors import (
    CancelledError,
    ConflictError,
    IntegrityError,
    InvalidRequestError,
    RefusedError,
    SecureError,
    StepUpError,
)
from jupyter_secure.protocol.messages import Answer, Delivery, Handle, Load
from jupyter_secure.protocol.record import Header, Kind
from jupyter_secure.protocol.sealing import bind
from jupyter_secure.protocol.view import Checked, Listed, RowFilter, Rung

Deliver = Callable[[Delivery | Handle | Answer, int | None], Awaitable[None]]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Gate:
    """The door of one vault."""

    vault: Vault
    policies: Policies
    pool: WorkerPool
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    served: Served = field(default_factory=Served)

    @cached_property
    def cache(self) -> ViewCache:
        """The views that are kept for the next time."""
        return ViewCache(self.vault, self.pool)

    @property
    def challenges(self) -> Challenges:
        """What a second factor has to be proved about."""
        return Challenges(self.vault.engine, self.vault.now)

    async def load(
        self, caller: Caller, wish: Load, deliver: Deliver, handle: Callable[[Ruling], Awaitable[Handle]]
    ) -> None:
        """Deliver the view that policy permits, or raise.

        Args:
            caller: made by the broker from its own records.
            wish: what the kernel asks for.
            deliver: hands a message and a descriptor to the kernel; the descriptor stays ours to close.
            handle: makes what crosses on the rung `dp`.

        Raises:
            RefusedError: policy permits nothing, or there is nothing of that name.
            AuditUnavailableError: the log cannot be written; nothing was opened.
            IntegrityError, LockedError, SecureError: nothing, or an openly broken stream, was handed out.
        """
        # (1) A kernel that has not shown its key can be given nothing.
        if caller.grant is None or not caller.public_key:
            raise InvalidRequestError("This kernel has not introduced itself. Restart it and run the cell again.")
        ruling = await self.rule(caller, wish, Kind.LOAD_DECIDED)
        try:
            if ruling.view.rung is Rung.DP:
                await deliver(await handle(ruling), None)
                finished, checked = None, None
            else:
                async with self.turns[caller.principal.name]:
                    finished, checked = await self._make(caller, wish, deliver, ruling)
        except BaseException as error:
            await to_the_end(self.failed(caller, ruling, Kind.LOAD_FAILED, error))
            raise
        # (7) The outcome.
        done = outcome(ruling, Kind.LOAD_DELIVERED, self.vault.now())
        if finished is not None:
            done = replace(done, rows=finished.rows, view=finished.digest, extra=noted(ruling.view, checked))
        note = said_of(ruling.view, checked) or None
        await self.vault.audit.record(done, caller.personal(wish.purpose, note))

    async def rule(self, caller: Caller, wish: Load, kind: Kind, extra: Mapping[str, str] | None = None) -> Ruling:
        """Decide and record: steps (2) and (3), for loads and questions alike; `extra` is said by every entry.

        Raises:
            RefusedError: refused, and recorded as that; a `StepUpError` if for want of a second factor alone.
            IntegrityError: the same, of a dataset that some rule names to the person.
            AuditUnavailableError: the log cannot be written.
        """
        # (2) A dataset that does not exist is decided like one that nobody may use.
        request = secrets.token_hex(8)
        damaged: IntegrityError | None = None
        try:
            version, decision, step_up, linked = await asyncio.to_thread(self._judge, caller, wish, request)
        except IntegrityError as error:
            version, decision, step_up, linked, damaged = None, None, None, {}, error
        view = None if decision is None else decision.view
        digest = None if decision is None else decision.digest()
        refused: SecureError = damaged or step_up or refusal(wish.dataset, decision)
        # (3) Before the raise, so that refusals are recorded too.
        header = Header(
            time=self.vault.now(),
            kind=kind,
            outcome="refused" if view is None else "permitted",
            request=request,
            dataset=wish.dataset,
            version=None if version is None else version.version,
            rung=view.rung if view else wish.rung,
            columns=tuple(column.name for column in view.columns) if view else (),
            policy=None if decision is None else decision.policy,
            decision=digest,
            guard=caller.guard,
            error=refused.code if damaged or linked.get("challenge") else None,
            extra={**linked, **(extra or {})},
        )
        note = refused.public if view is None else None
        seq = await to_the_end(self.vault.audit.record(header, caller.personal(wish.purpose, note)))
        if version is None or decision is None or view is None or digest is None:
            raise refused
        return Ruling(request, seq, digest, version, decision, view, extra or {})

    def decide(self, caller: Caller, wish: Load) -> tuple[DatasetVersion | None, Decision | None]:
        """Return the version and what policy says of it now; None for a dataset that does not exist.

        Raises:
            IntegrityError: its manifest is damaged; told only to a person whom some rule lets use it.
        """
        _, version, decision = self._decide(caller, wish)
        return version, decision

    async def require_still(self, caller: Caller, wish: Load, ruling: Ruling) -> None:
        """Ask grant, account and policy again, before something crosses that had to wait.

        Raises:
            UnauthenticatedError: the grant has ended, or the account.
            ConflictError: policy would answer otherwise now.
        """
        _, policy = await self.policies.at_hand()
        now = decide(policy, self._ask(policy, await caller.again(), wish, ruling.version))
        if now.view != ruling.view:
            raise ConflictError("What you may use has changed meanwhile. Run the cell again.")

    async def failed(self, caller: Caller, ruling: Ruling, kind: Kind, error: BaseException) -> None:
        """Record that a permitted request came to nothing."""
        code = error.code if isinstance(error, SecureError) else SecureError.code
        if isinstance(error, asyncio.CancelledError):
            code = CancelledError.code
        header = replace(outcome(ruling, kind, self.vault.now(), "failed"), error=code)
        await self.vault.audit.record(header, caller.personal(ruling.view.purpose))

    def open_parts(self, version: DatasetVersion, columns: frozenset[str]) -> tuple[Part, ...]:
        """Return the parts of a version with the keys of just these columns."""
        opened = open_version(
            self.vault.catalog,
            self.vault.keychain,
            version.name,
            columns=sorted(columns),
            access=plaintext.ACCESS,
            version=version.version,
        )
        return tuple(
            Part(
                path=str(part.path),
                rows=part.rows,
                footer_key=part.footer_key,
                column_keys=part.column_keys,
                footer_digest=part.footer_sha256,
                row_groups=part.row_groups,
            )
            for part in opened.parts
        )

    def open_lists(self, rows: tuple[RowFilter, ...]) -> tuple[PersonList, ...]:
        """Return the lists of persons that the filters name, with the keys of just the columns that name them."""
        return tuple(
            PersonList(
                filter=row,
                parts=self.open_parts(
                    self.vault.catalog.version(row.dataset, row.version), frozenset({row.list_column})
                ),
            )
            for row in rows
            if isinstance(row, Listed)
        )

    def _judge(
        self, caller: Caller, wish: Load, request: str
    ) -> tuple[DatasetVersion | None, Decision | None, StepUpError | None, dict[str, str]]:
        with reading(self.vault.engine):
            policy, version, decision = self._decide(caller, wish)
        if version is None or decision is None:
            return version, decision, None, {}
        ask = self._ask(policy, caller, wish, version)
        return version, decision, *missing(self.challenges, caller, policy, ask, decision, request)

    def _decide(self, caller: Caller, wish: Load) -> tuple[Policy, DatasetVersion | None, Decision | None]:
        policy = self.policies.current()[1]  # read in any case, so that a refusal costs the same reads
        try:
            version = self.vault.catalog.latest(wish.dataset)
        except RefusedError:
            return policy, None, None
        except IntegrityError:
            if _permits_anything(policy, caller, wish.dataset):
                raise
            return policy, None, None
        return policy, version, decide(policy, self._ask(policy, caller, wish, version))

    def _ask(self, policy: Policy, caller: Caller, wish: Load, version: DatasetVersion) -> Ask:
        return Ask(
            principal=caller.principal,
            dataset=version,
            context=replace(caller.context, lists=list_versions(policy, self.vault.catalog)),
            rung=wish.rung,
            columns=wish.columns,
            purpose=wish.purpose,
        )

    async def _make(
        self, caller: Caller, wish: Load, deliver: Deliver, ruling: Ruling
    ) -> tuple[Finished, Checked | None]:
        assert caller.grant is not None
        info = bind(caller.grant.id, ruling.request, ruling.digest)
        stream, plan = await self._stream(caller, ruling, info.encode())
        # (6) From here on the kernel reads ciphertext that only it can open.
        try:
            await self.require_still(caller, wish, ruling)
            self.served.note(caller.principal.name, ruling)
            await deliver(delivery(ruling, stream.seal, info, stream.checked), stream.fd)
        except BaseException:
            await stream.cancel()
            raise
        stream.handed_over()
        finished = await stream.finished()
        if plan is not None:
            self.cache.keep_later(ruling, plan)
        return finished, stream.checked

    async def _stream(
        self, caller: Caller, ruling: Ruling, info: bytes
    ) -> tuple[ViewStream | KeptStream, ViewPlan | None]:
        kept = await asyncio.to_thread(self.cache.find, ruling)
        if kept is not None:
            return KeptStream(kept, caller.public_key, info), None
        # (4) Keys of the needed columns, for as long as the worker takes them over.
        plan = await asyncio.to_thread(self.plan, ruling, caller.public_key, info)
        # (5) The stream begins; the worker waits for whoever reads it.
        return await self.pool.open(plan), plan

    def plan(self, ruling: Ruling, recipient: bytes, info: bytes) -> ViewPlan:
        """Return the making of a view that was ruled, with the keys that it needs."""
        view = ruling.view
        keychain = self.vault.keychain
        return ViewPlan(
            parts=self.open_parts(ruling.version, needed(view.columns, view.rows, view.sample, view.disclosure)),
            lists=self.open_lists(view.rows),
            columns=view.columns,
            rows=view.rows,
            mask_keys={
                name: keychain.pseudonym_key(view.project, view.purpose, domain)
                for name, domain in keyed(looked_at(view.columns, view.disclosure)).items()
            },
            recipient=recipient,
            info=info,
            total=0 if view.partial else ruling.version.rows,
            sample=view.sample,
            sample_key=keychain.pseudonym_key(view.project, view.purpose, view.sample.subject) if view.sample else None,
            limit=view.limit,
            disclosure=view.disclosure,
        )


def _permits_anything(policy: Policy, caller: Caller, dataset: str) -> bool:
    return any(
        rule.rung is not Rung.DENY and rule.names(dataset) and rule.addresses(caller.principal)
        for rule in policy.terms.rules
    )


async def to_the_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` returns even if the request is cancelled meanwhile; it is then cancelled at its next wait."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    current = asyncio.current_task()
    if cancelled and current is not None:
        current.cancel()
    return task.result()
