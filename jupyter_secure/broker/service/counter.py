"""The counter: answers kernels. What hands out data goes through the gate; the rest tells what policy says now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from jupyter_secure.broker.authn.grants import Grants
from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.egress import Egress
from jupyter_secure.broker.gate import Gate
from jupyter_secure.broker.offers import Offers
from jupyter_secure.broker.question import Questions
from jupyter_secure.broker.refusal import refusal
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import (
    AskAccess,
    Budget,
    BudgetReply,
    Catalog,
    Hello,
    KernelRequest,
    Load,
    Query,
    RelayReply,
    Status,
    StatusReply,
    StepUp,
    Welcome,
    Why,
)

from .mfa import Mfa
from .panel import catalog, spent, why
from .requests import Access

Reply = Callable[[RelayReply, int | None], Awaitable[None]]


class Counter:
    """Everything that a kernel may ask."""

    def __init__(
        self,
        gate: Gate,
        questions: Questions,
        offers: Offers,
        grants: Grants,
        mfa: Mfa,
        access: Access,
        egress: Egress,
    ) -> None:
        self._gate = gate
        self._questions = questions
        self._offers = offers
        self._grants = grants
        self._access = access
        self._mfa = mfa
        self._egress = egress

    async def answer(self, caller: Caller, request: KernelRequest, reply: Reply) -> None:
        """Answer one request of a kernel.

        Raises:
            SecureError: the answer is no.
        """
        match request:
            case Load():
                noted = self._egress.noting(caller, reply)
                await self._gate.load(caller, request, noted, lambda ruling: self._offers.handle(caller, ruling))
            case Query():
                await self._questions.ask(caller, request, reply)
            case Hello():
                await reply(await self._hello(caller, request), None)
            case Status():
                await reply(await asyncio.to_thread(self._status, caller), None)
            case Catalog():
                await reply(await asyncio.to_thread(catalog, self._gate, caller), None)
            case Why():
                await reply(await asyncio.to_thread(why, self._gate, caller, request), None)
            case AskAccess():
                await reply(await self._access.ask(caller, request), None)
            case Budget():
                await reply(await self._budget(caller, request), None)
            case StepUp():
                await reply(await self._mfa.step_up(caller, request), None)
            case _:
                raise InvalidRequestError(detail=f"not answered: {type(request).__name__}")

    async def _budget(self, caller: Caller, request: Budget) -> BudgetReply:
        if request.allow is not None:
            if request.dataset is None:
                raise InvalidRequestError("Name the dataset of which this notebook may spend so much.")
            await self._offers.allow(caller, request.dataset, request.allow)
        gauges = await self._offers.gauges(caller, request.dataset)
        if request.dataset is not None and not gauges:
            raise refusal(request.dataset, None)
        history = await asyncio.to_thread(spent, self._gate.vault.audit, caller, request.dataset)
        return BudgetReply(gauges=gauges, history=history)

    async def _hello(self, caller: Caller, request: Hello) -> Welcome:
        assert caller.grant is not None
        return Welcome(grant=await asyncio.to_thread(self._grants.bind_key, caller.grant.id, request.public_key))

    def _status(self, caller: Caller) -> StatusReply:
        assert caller.grant is not None
        vault = self._gate.vault
        head = vault.audit.head()
        return StatusReply(
            principal=caller.principal,
            grant=caller.grant,
            vault="locked" if vault.locked else "unlocked",
            log_size=head.size,
            log_root=head.root,
            network=self._egress.network(caller).sentence,
        )
