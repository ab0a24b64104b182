"""The desk: answers the relay, one method for each message.

Promises: a ticket or a grant is looked up at each request and roles are those of now; logins, unlocks and kernel starts
are in the log before they take effect. Blocking work (password hashing, disk, database) runs in threads, so a slow
login or a database that takes its time holds up nobody's load.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import functools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, Protocol, get_args

from msgspec.structs import replace

from jupyter_secure._version import __version__
from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.authn.freshness import verified_at
from jupyter_secure.broker.authn.grants import Grants, Shown
from jupyter_secure.broker.authn.limiter import Limiter
from jupyter_secure.broker.authn.login import Login as LoginDoor
from jupyter_secure.broker.authn.passkeys import RelyingParty
from jupyter_secure.broker.authn.tickets import Tickets
from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.egress import Egress
from jupyter_secure.broker.gate import Gate
from jupyter_secure.broker.keys import keyring
from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.offers import Offers
from jupyter_secure.broker.outputs import Outputs
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.question import Questions
from jupyter_secure.broker.refusal import evenly
from jupyter_secure.broker.requests.store import Requests
from jupyter_secure.broker.spending import Spending
from jupyter_secure.broker.store.database import briefly, reading
from jupyter_secure.broker.vault import Vault, wall_clock
from jupyter_secure.broker.views.pool import WorkerPool
from jupyter_secure.protocol.access import AccessRequest
from jupyter_secure.protocol.errors import InvalidRequestError, LockedError, SecureError, UnlockError
from jupyter_secure.protocol.grant import Grant, GuardReport
from jupyter_secure.protocol.messages import (
    AccessMessage,
    CloseKernel,
    Compare,
    Compared,
    Connect,
    Done,
    FromKernel,
    Login,
    Logout,
    MfaRequest,
    MoveKernel,
    Network,
    NetworkReply,
    OpenKernel,
    PanelBudget,
    PanelCatalog,
    PanelLineage,
    PanelLog,
    PanelWhy,
    RelayReply,
    RelayRequest,
    Session,
    State,
    StateReply,
    StepUp,
    Unlock,
    UnlockFromKeyring,
    Welcome,
    WhoAmI,
)
from jupyter_secure.protocol.noun import settle
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.record import Header, Kind, Personal

from .counter import Counter
from .identify import Identify, LocalTickets
from .mfa import Mfa
from .panel import Panel
from .requests import Access

# Passwords under examination: each takes 64 MiB and a thread that others need for their work on the store.
PROVING = 2
Reply = Callable[[RelayReply, int | None], Awaitable[None]]
# Of these the desk of a Hub answers none: the Hub logs people in, and the operator unlocks.
LOGINS = Unlock | UnlockFromKeyring | Login | Logout
_ON_A_HUB = "On a Hub people log in at the Hub, and its operator unlocks the vault."


class Changed(Protocol):
    """Tells relays that something their panels show has changed: for one notebook or any, one person or everybody."""

    async def __call__(self, notebook: str | None, user: str | None = None) -> None:
        """Tell them."""


class _Standing(NamedTuple):
    """What the records say of a person, at one moment."""

    approvals: tuple[AccessRequest, ...]
    acknowledged: dict[str, str]
    mfa_at: int | None


class Desk:
    """One open vault and everybody who may ask about it."""

    def __init__(
        self,
        vault: Vault,
        pool: WorkerPool,
        changed: Changed,
        identify: Identify | None = None,
        provider: str | None = None,
        party: RelyingParty | None = None,
    ) -> None:
        self.vault = vault
        self.pool = pool
        self.identify = identify or LocalTickets(vault.engine, vault.now)
        self.accounts = Accounts(vault.engine, vault.now)
        self.tickets = Tickets(vault.engine, vault.now)
        self.grants = Grants(vault.engine, vault.now, self.identify.admit)
        self._door = LoginDoor(vault.engine, vault.now, self.accounts)
        self._proving = asyncio.Semaphore(PROVING)
        self._unlocks = Limiter(vault.now, UnlockError)
        self._changed = changed
        self.requests = Requests(vault.engine, vault.now)
        policies = Policies(vault)
        gate = Gate(vault, policies, pool)
        ledger = Ledger(vault.engine)
        spending = Spending(vault, policies, ledger)
        offers = Offers(gate, ledger, spending)
        questions = Questions(gate, ledger, spending)
        self._mfa = Mfa(vault, self.identify.who, changed, provider, party)
        self._access = Access(vault, policies, self.requests, changed)
        self._egress = Egress(vault, policies, self.identify.logins)
        self._counter = Counter(gate, questions, offers, self.grants, self._mfa, self._access, self._egress)
        self._panel = Panel(gate, offers)
        self._outputs = Outputs(gate, self.grants)
        self._answers: dict[type, Callable[[Any], Awaitable[RelayReply]]] = {
            State: self._state,
            Unlock: self._unlock,
            UnlockFromKeyring: self._unlock_from_keyring,
            Login: self._login,
            WhoAmI: self._who,
            Logout: self._logout,
            OpenKernel: self._open_kernel,
            MoveKernel: self._move_kernel,
            CloseKernel: self._close_kernel,
            Connect: self._connect,
            Network: self._network,
            Compare: self._compare,
            **dict.fromkeys(get_args(MfaRequest), self._mfa.answer),
        }

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        path: str,
        changed: Changed,
        now: Callable[[], int] = wall_clock,
        identify: Identify | None = None,
        provider: str | None = None,
        party: RelyingParty | None = None,
    ) -> AsyncIterator[Desk]:
        """Open a vault locked, with warm workers; record start and end.

        Without `identify` people show tickets; `provider` is where browsers begin with the identity provider; `party`
        is who asks for passkeys, this computer by default.
        """
        settle()
        pool = WorkerPool()
        with Vault.open_locked(path, now) as vault:
            desk = cls(vault, pool, changed, identify, provider, party)
            warming = asyncio.create_task(pool.start())
            await vault.audit.record(desk._header(Kind.BROKER_STARTED))
            if not vault.asks:  # a role of the machine opens it
                with contextlib.suppress(LockedError):  # later, in the sidebar
                    await asyncio.to_thread(vault.unlock, "")
            try:
                yield desk
            finally:
                warming.cancel()
                await asyncio.gather(warming, return_exceptions=True)
                await pool.close()
                await vault.audit.record(desk._header(Kind.BROKER_STOPPED))

    async def answer(self, body: RelayRequest, reply: Reply) -> None:
        """Answer one request.

        Raises:
            SecureError: the answer is no.
        """
        async with evenly():
            await self._answer(body, reply)

    async def _answer(self, body: RelayRequest, reply: Reply) -> None:
        if isinstance(body, FromKernel):
            caller = await self._caller_of_grant(body.grant, came=time.monotonic())
            notebook = caller.grant.notebook if caller.grant else None
            try:
                await self._counter.answer(caller, body.request, reply)
            finally:
                if not isinstance(body.request, StepUp):  # a proof tells by itself
                    await self._changed(notebook, caller.principal.name)
        elif isinstance(body, LOGINS) and not self.identify.logins:
            raise InvalidRequestError(_ON_A_HUB)
        elif isinstance(body, PanelCatalog | PanelWhy | PanelBudget | PanelLog | PanelLineage):
            await reply(await self._panel.answer(await self._caller_of_ticket(body), body), None)
        elif isinstance(body, AccessMessage):
            await reply(await self._access.answer(await self._caller_of_ticket(body), body), None)
        else:
            await reply(await self._answers[type(body)](body), None)

    async def _state(self, _: State) -> StateReply:
        vault = "locked" if self.vault.locked else "unlocked"
        return StateReply(vault=vault, version=__version__, pid=os.getpid(), log_size=self.vault.audit.head().size)  # type: ignore[arg-type]  # mypy widens the literal

    async def _unlock(self, body: Unlock) -> StateReply:
        who = None if body.ticket is None else (await self.identify.who(body.ticket)).principal.name
        self._unlocks.attempt("")
        async with self._proving:
            await asyncio.to_thread(self.vault.unlock, body.passphrase, Personal(user=who))
        self._unlocks.succeeded("")
        await asyncio.to_thread(self.vault.audit.checkpoint)
        await self._changed(None)
        return await self._state(State())

    async def _unlock_from_keyring(self, _: UnlockFromKeyring) -> StateReply:
        passphrase = await asyncio.to_thread(keyring.recall, self.vault.id)
        if passphrase is None:
            raise UnlockError("The system's keyring does not hold the passphrase of this vault. Type it instead.")
        return await self._unlock(Unlock(passphrase=passphrase))

    async def _login(self, body: Login) -> Session:
        personal = Personal(user=body.user[:63])
        try:
            async with self._proving:
                session = await asyncio.to_thread(self._door.login, body.user, body.password)
        except SecureError:
            await self.vault.audit.record(self._header(Kind.LOGIN_FAILED, "refused"), personal)
            raise
        try:
            await self.vault.audit.record(self._header(Kind.LOGIN), personal)
        except SecureError:
            await asyncio.to_thread(self.tickets.logout, session.ticket)
            raise
        return session

    async def _who(self, body: WhoAmI) -> Session:
        session = await self.identify.who(body.ticket)
        return replace(session, principal=await asyncio.to_thread(self._mfa.dated, session.principal))

    async def _logout(self, body: Logout) -> Done:
        await asyncio.to_thread(self.tickets.logout, body.ticket)
        return Done()

    async def _open_kernel(self, body: OpenKernel) -> Welcome:
        user = (await self.identify.who(body.ticket)).principal.name
        server, guard = await self.identify.server(), self.identify.believed(body.guard)
        header = self._header(Kind.KERNEL_STARTED, guard=guard.level, extra=_evidence(body, guard))
        await self.vault.audit.record(header, Personal(user=user, kernel=body.kernel, notebook=body.notebook))
        grant = await asyncio.to_thread(self.grants.mint, user, body.kernel, body.notebook, guard, server)
        await self._changed(grant.notebook, user)
        return Welcome(grant=grant)

    async def _move_kernel(self, body: MoveKernel) -> Welcome:
        await self.identify.own(await asyncio.to_thread(self.grants.get, body.grant))
        return Welcome(grant=await asyncio.to_thread(self.grants.move, body.grant, body.notebook))

    async def _close_kernel(self, body: CloseKernel) -> Done:
        if (held := await asyncio.to_thread(self.grants.find, body.grant)) is not None:
            await self.identify.own(held)
        grant = await asyncio.to_thread(self.grants.close, body.grant)
        self._egress.loaded.pop(body.grant, None)
        if grant is not None:
            personal = Personal(user=grant.user, kernel=grant.kernel, notebook=grant.notebook)
            await self.vault.audit.record(self._header(Kind.KERNEL_STOPPED), personal)
            await self._changed(grant.notebook, grant.user)
        return Done()

    async def _connect(self, body: Connect) -> Done:
        return await self._egress.connect(await self._caller_of_grant(body.grant), body)

    async def _compare(self, body: Compare) -> Compared:
        caller = await self._caller_of_ticket(body)
        answer = await self._outputs.compare(caller, body)
        if answer.matches or answer.unknown:
            await self._changed(body.notebook, caller.principal.name)
        return answer

    async def _network(self, body: Network) -> NetworkReply:
        return await asyncio.to_thread(self._egress.network, await self._caller_of_ticket(body))

    async def _caller_of_grant(self, number: str, came: float | None = None) -> Caller:
        shown, standing = await briefly(self.vault.engine, functools.partial(self._shown, number))
        principal = await self.identify.holder(shown.grant, shown.holder)
        again = functools.partial(self._caller_of_grant, number)
        caller = self._caller(principal, standing, again, shown.grant)
        public_key = base64.b64decode(shown.public_key) if shown.public_key else b""
        return dataclasses.replace(caller, public_key=public_key, came=caller.came if came is None else came)

    async def _caller_of_ticket(
        self, body: PanelCatalog | PanelWhy | PanelBudget | PanelLog | PanelLineage | AccessMessage | Network | Compare
    ) -> Caller:
        principal = (await self.identify.who(body.ticket)).principal
        number = getattr(body, "grant", None)
        grant = await asyncio.to_thread(self.grants.get, number) if number else None
        if grant is not None and grant.user != principal.name:
            raise InvalidRequestError(detail="somebody else's grant")
        if grant is not None:
            await self.identify.own(grant)
        again = functools.partial(self._caller_of_ticket, body)
        return self._caller(principal, await asyncio.to_thread(self._standing, principal.name), again, grant)

    def _shown(self, number: str) -> tuple[Shown, _Standing]:
        with reading(self.vault.engine):
            shown = self.grants.shown(number)
            return shown, self._standing(shown.grant.user)

    def _standing(self, name: str) -> _Standing:
        """Read what the records say of a person."""
        with reading(self.vault.engine) as connection:
            return _Standing(*self.requests.standing(name), verified_at(connection, name))

    def _caller(
        self, principal: Principal, standing: _Standing, again: Callable[[], Awaitable[Caller]], grant: Grant | None
    ) -> Caller:
        return Caller(
            principal=replace(principal, mfa_at=standing.mfa_at),
            now_ms=self.vault.now(),
            again=again,
            grant=grant,
            approvals=standing.approvals,
            acknowledged=standing.acknowledged,
        )

    def _header(self, kind: Kind, outcome: str = "done", **fields: Any) -> Header:
        return Header(time=self.vault.now(), kind=kind, outcome=outcome, **fields)


def _evidence(body: OpenKernel, believed: GuardReport) -> dict[str, str]:
    measured = {} if body.guard.level is believed.level else {"measured": body.guard.level.value}
    return {
        **measured,
        "layers": " ".join(body.guard.layers),
        "reached": " ".join(sorted(name for name, blocked in body.guard.canaries.items() if not blocked)),
        **{f"outside.{name}": value for name, value in sorted(body.guard.outside.items())},
    }
