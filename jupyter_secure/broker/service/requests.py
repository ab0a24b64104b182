"""Requests for access: who may ask for what, who decides, and what the log says of it.

Every step is in the log before it counts, and how it went after; a step that is refused is in the log too. Steps of
`ask`: (1) the rules that would give the person this once somebody approved, (2) a dataset for which there are none is
refused like one that does not exist, and no approver hears of it, (3) rung, purpose and days are checked against those
rules, (4) the request is kept, bound to the rules by their digests.

Steps of a decision: (1) the role is the one of now, (2) the state machine says whether it may be, (3) the rules must
still read as they did, (4) the store lets the first of two win.

Nothing here opens data or needs the vault's keys, so requests are decided while the vault is locked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.gate import to_the_end
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.policy.approvals import requestable, stands
from jupyter_secure.broker.policy.policy import Policy
from jupyter_secure.broker.policy.rules import Rule, rule_digest
from jupyter_secure.broker.refusal import refusal
from jupyter_secure.broker.requests.state import UNKNOWN, decide, decides, require_days, revoke
from jupyter_secure.broker.requests.store import Requests, new_id
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.access import AccessOffer, AccessRequest, PurposeOffer
from jupyter_secure.protocol.errors import ConflictError, IntegrityError, InvalidRequestError, RefusedError, SecureError
from jupyter_secure.protocol.messages import (
    AccessMessage,
    AccessReply,
    Acknowledge,
    AskAccess,
    Decide,
    Done,
    ListRequests,
    PanelAsk,
    RelayReply,
    RequestsReply,
    Revoke,
)
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.record import Header, Kind, Personal
from jupyter_secure.protocol.view import Rung

_CHANGED = "The rule that this request is about has changed. It must be asked for again."


@dataclass(frozen=True)
class Access:
    """Requests for access to the datasets of one vault.

    Attributes:
        changed: tells panels to look again.
    """

    vault: Vault
    policies: Policies
    requests: Requests
    changed: Callable[[str | None], Awaitable[None]]

    async def answer(self, caller: Caller, body: AccessMessage) -> RelayReply:
        """Answer one request of the sidebar; what was begun comes to its end in the log even if nobody waits for it.

        Raises:
            SecureError: the answer is no.
        """
        by = caller.principal
        match body:
            case ListRequests():
                return await asyncio.to_thread(self.listed, by)
            case PanelAsk():
                return await self.ask(caller, body.ask)
            case Decide():
                return await to_the_end(self.decide(by, body))
            case Revoke():
                return await to_the_end(self.revoke(by, body))
            case Acknowledge():
                return await to_the_end(self.acknowledge(by, body))

    async def ask(self, caller: Caller, wish: AskAccess) -> AccessReply:
        """Keep a request.

        Raises:
            RefusedError: no rule would give the person anything of that name; also where nothing has that name.
            InvalidRequestError: not in that form, for that purpose or for so long; the sentence says what can be.
            ConflictError: it was asked for already.
        """
        request = AccessRequest(
            id=new_id(),
            user=caller.principal.name,
            dataset=wish.dataset,
            rung=wish.rung or Rung.DENY,
            purpose=wish.purpose,
            rules={},
            reason=wish.reason,
            days=wish.days,
            asked=self.vault.now(),
        )
        return await to_the_end(self._ask(caller, request, wish.rung))

    async def decide(self, by: Principal, body: Decide) -> AccessReply:
        """Approve or deny.

        Raises:
            RefusedError: there is nothing of that number for this person to decide.
            ConflictError: it was decided already, or its rules have changed.
            InvalidRequestError: longer than the policy lets it be.
        """
        kind = Kind.ACCESS_APPROVED if body.approve else Kind.ACCESS_DENIED
        before = await self._find(kind, by, body.request, body.note)
        async with self._recorded(kind, before, _personal(by, before, body.note)) as permitted:
            after = decide(before, by, self.vault.now(), approve=body.approve, days=body.days, note=body.note)
            if body.approve:
                self._require_standing(after)
            await permitted(after)
            await asyncio.to_thread(self.requests.replace, before, after)
        await self.changed(None)
        return AccessReply(request=after)

    async def revoke(self, by: Principal, body: Revoke) -> AccessReply:
        """End an approval, or withdraw an open request.

        Raises:
            RefusedError: there is nothing of that number for this person to end.
            ConflictError: it has ended already.
        """
        before = await self._find(Kind.ACCESS_REVOKED, by, body.request, body.note)
        async with self._recorded(Kind.ACCESS_REVOKED, before, _personal(by, before, body.note)) as permitted:
            after = revoke(before, by, self.vault.now())
            await permitted(after)
            await asyncio.to_thread(self.requests.replace, before, after)
        await self.changed(None)
        return AccessReply(request=after)

    async def acknowledge(self, by: Principal, body: Acknowledge) -> Done:
        """Keep that a person has acknowledged the present text of a purpose.

        Raises:
            RefusedError: no rule of the person's names such a purpose, or it asks for nothing.
            ConflictError: the text is another one now.
        """
        policy = self.policies.current()[1]
        text = policy.texts.get(body.purpose) if body.purpose in _purposes(policy, by) else None
        if text is None:
            raise RefusedError("There is no purpose of that name for you to acknowledge.")
        if text != body.digest:
            raise ConflictError("The text has changed meanwhile. Read it again.")
        header = self._header(Kind.PURPOSE_ACKNOWLEDGED, "permitted", extra={"text": text})
        personal = Personal(user=by.name, purpose=body.purpose)
        reference = await self.vault.audit.record(header, personal)
        await asyncio.to_thread(self.requests.acknowledge, by.name, body.purpose, text)
        await self.vault.audit.record(replace(header, outcome="done", reference=reference), personal)
        await self.changed(None)
        return Done()

    def listed(self, principal: Principal) -> RequestsReply:
        """Return what the person may see: the own requests, everybody's if the person decides, what could be asked."""
        policy = self.policies.current()[1]
        everybody = decides(principal)
        found = self.requests.list(None if everybody else principal.name)
        return RequestsReply(
            mine=tuple(it for it in found if it.user == principal.name),
            others=tuple(it for it in found if it.user != principal.name),
            decides=everybody,
            stale=tuple(it.id for it in found if not stands(policy, it)),
            offers=tuple(self._offers(policy, principal)),
            purposes=tuple(self._texts(policy, principal)),
        )

    async def _ask(self, caller: Caller, request: AccessRequest, rung: Rung | None) -> AccessReply:
        personal = caller.personal(request.purpose, request.reason)
        async with self._recorded(Kind.ACCESS_REQUESTED, request, personal) as permitted:
            request = self._bound(caller, request, rung)
            await permitted(request)
            await asyncio.to_thread(self.requests.add, request)
        await self.changed(None)
        return AccessReply(request=request)

    def _bound(self, caller: Caller, request: AccessRequest, rung: Rung | None) -> AccessRequest:
        policy = self.policies.current()[1]
        rules = requestable(policy, caller.principal, request.dataset, caller.now_ms)
        try:
            self.vault.catalog.latest(request.dataset)  # read in any case, so that a refusal costs the same reads
        except RefusedError:
            rules = []
        except IntegrityError:
            if rules:
                raise
        if not rules:
            raise refusal(request.dataset, None)
        chosen = [rule for rule in rules if rule.rung is (rung or rules[0].rung) and _fits(rule, request.purpose)]
        if not chosen or (request.purpose is not None and request.purpose not in policy.purposes):
            raise InvalidRequestError(_possible(request.dataset, rules))
        if caller.acknowledged.get(request.purpose or "") != policy.texts.get(request.purpose or ""):
            raise InvalidRequestError(
                f"Purpose {request.purpose} has terms: read and acknowledge them in the Secure Data sidebar, "
                "then ask again."
            )
        require_days(request.days, policy.datasets[request.dataset].longest)
        return replace(request, rung=chosen[0].rung, rules={rule.id: rule_digest(rule) for rule in chosen})

    def _require_standing(self, request: AccessRequest) -> None:
        policy = self.policies.current()[1]
        if not stands(policy, request):
            raise ConflictError(_CHANGED)
        require_days(request.days, policy.datasets[request.dataset].longest)

    def _offers(self, policy: Policy, principal: Principal) -> list[AccessOffer]:
        now = self.vault.now()
        offers = []
        for name in self.vault.catalog.names():
            by_rung: dict[Rung, set[str]] = {}
            for rule in requestable(policy, principal, name, now):
                by_rung.setdefault(rule.rung, set()).update(rule.when.purpose or ())
            offers += [
                AccessOffer(
                    dataset=name, rung=rung, purposes=tuple(sorted(found)), max_days=policy.datasets[name].longest
                )
                for rung, found in by_rung.items()
            ]
        return offers

    def _texts(self, policy: Policy, principal: Principal) -> list[PurposeOffer]:
        acknowledged = self.requests.standing(principal.name)[1]
        return [
            PurposeOffer(
                name=name,
                title=policy.purposes[name].title,
                acknowledge=policy.purposes[name].acknowledge or "",
                digest=policy.texts.get(name, ""),
                acknowledged=acknowledged.get(name) == policy.texts.get(name),
            )
            for name in sorted(_purposes(policy, principal))
        ]

    async def _find(self, kind: Kind, by: Principal, number: str, note: str) -> AccessRequest:
        # Whoever may not know of a request gets the answer for a number that there never was; both are in the log.
        try:
            return await asyncio.to_thread(self._visible, by, number)
        except RefusedError as error:
            header = self._header(kind, "refused", error=error.code, extra={"number": number})
            await self.vault.audit.record(header, Personal(user=by.name, note=note or None))
            raise

    def _visible(self, by: Principal, number: str) -> AccessRequest:
        found = self.requests.get(number)
        if found.user != by.name and not decides(by):
            raise RefusedError(UNKNOWN)
        return found

    @asynccontextmanager
    async def _recorded(
        self, kind: Kind, request: AccessRequest, personal: Personal
    ) -> AsyncIterator[Callable[[AccessRequest], Awaitable[None]]]:
        """Log the refusal, or the permission (when the body calls what it is given) and then the outcome."""
        reference: list[int] = []
        last = request

        async def permitted(after: AccessRequest) -> None:
            nonlocal last
            last = after
            reference.append(await self.vault.audit.record(self._about(kind, "permitted", after), personal))

        try:
            yield permitted
        except SecureError as error:
            word = "failed" if reference else "refused"
            header = replace(self._about(kind, word, last), error=error.code, reference=next(iter(reference), None))
            await self.vault.audit.record(header, personal)
            raise
        header = replace(self._about(kind, "done", last), reference=reference[0])
        await self.vault.audit.record(header, personal)

    def _about(self, kind: Kind, outcome: str, request: AccessRequest) -> Header:
        approved = kind is Kind.ACCESS_APPROVED
        extra = {"days": str(request.days)} if kind is Kind.ACCESS_REQUESTED or approved else {}
        if request.rules:
            extra["rules"] = " ".join(sorted(request.rules))
        return self._header(
            kind,
            outcome,
            request=request.id,
            dataset=request.dataset,
            rung=None if request.rung is Rung.DENY else request.rung,
            extra=extra,
        )

    def _header(self, kind: Kind, outcome: str, **fields: Any) -> Header:
        return Header(time=self.vault.now(), kind=kind, outcome=outcome, **fields)


def _personal(by: Principal, request: AccessRequest, note: str) -> Personal:
    return Personal(user=by.name, purpose=request.purpose, note=note or None)


def _fits(rule: Rule, purpose: str | None) -> bool:
    return rule.when.purpose is None or purpose in rule.when.purpose


def _purposes(policy: Policy, principal: Principal) -> set[str]:
    permits = (rule for rule in policy.terms.rules if rule.rung is not Rung.DENY and rule.addresses(principal))
    return {name for rule in permits for name in rule.when.purpose or ()}


def _possible(dataset: str, rules: list[Rule]) -> str:
    forms = [
        f"`--as {rule.rung}`" + (f" with `--purpose {' or '.join(rule.when.purpose)}`" if rule.when.purpose else "")
        for rule in rules
    ]
    return f"You can ask for `{dataset}` {', or '.join(dict.fromkeys(forms))}."
