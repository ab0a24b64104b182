"""Answers what the sidebar asks about second factors, and takes the code that a person typed in a cell.

Promises: a person changes the own factors alone; a kernel may forward a code for a challenge of its own grant and
nothing else, neither a recovery code nor an assertion; whatever comes of a proof, the panel is told to look again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from jupyter_secure.broker.authn.enrolment import Enrolment
from jupyter_secure.broker.authn.freshness import verified_at
from jupyter_secure.broker.authn.passkeys import RelyingParty
from jupyter_secure.broker.authn.second_factor import SecondFactor
from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.store.database import reading
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.messages import (
    Done,
    MfaAddPasskey,
    MfaChallenge,
    MfaConfirm,
    MfaEnrol,
    MfaKeepPasskey,
    MfaPasskeyOptions,
    MfaRecoveryCodes,
    MfaRemove,
    MfaRequest,
    MfaReset,
    MfaState,
    MfaVerify,
    RelayReply,
    Session,
    SteppedUp,
    StepUp,
)
from jupyter_secure.protocol.principal import Principal

Who = Callable[[str], Awaitable[Session]]
Changed = Callable[[str | None, str | None], Awaitable[None]]


class Mfa:
    """Second factors of everybody in one vault.

    Args:
        vault: its store, log, keys and clock.
        who: says whom a ticket stands for.
        changed: tells panels to look again.
        provider: where a browser begins to prove a challenge at the identity provider; None without one.
        party: who asks browsers for passkeys.
    """

    def __init__(
        self,
        vault: Vault,
        who: Who,
        changed: Changed,
        provider: str | None = None,
        party: RelyingParty | None = None,
    ) -> None:
        self._vault = vault
        self._provider = provider
        self._who = who
        self._changed = changed
        self._factors = factors = SecondFactor(vault, party)
        self._enrolment = enrolment = Enrolment(factors)
        # What has an answer of its own, and what is answered by the state of the factors after it.
        self._told: dict[type, Callable[[Principal, Any], RelayReply]] = {
            MfaChallenge: lambda who, it: factors.challenge(who.name, it.use),
            MfaPasskeyOptions: lambda who, it: factors.options(who.name, it.challenge),
            MfaEnrol: lambda who, it: enrolment.begin_totp(who.name, it.challenge),
            MfaAddPasskey: lambda who, it: enrolment.begin_passkey(who.name, it.challenge),
            MfaReset: self._reset,
        }
        self._changes: dict[type, Callable[[str, Any], tuple[str, ...]]] = {
            MfaState: lambda _user, _it: (),
            MfaVerify: self._verify,
            MfaConfirm: lambda user, it: enrolment.confirm_totp(user, it.code),
            MfaKeepPasskey: lambda user, it: enrolment.keep_passkey(user, it.challenge, it.assertion, it.label),
            MfaRecoveryCodes: lambda user, it: enrolment.new_codes(user, it.challenge),
            MfaRemove: self._remove,
        }

    def dated(self, principal: Principal) -> Principal:
        """Return the same person with the time of the last proof, whoever vouches for the name."""
        with reading(self._vault.engine) as connection:
            return replace(principal, mfa_at=verified_at(connection, principal.name))

    async def answer(self, body: MfaRequest) -> RelayReply:
        """Answer one request of the sidebar.

        Raises:
            SecureError: the answer is no.
        """
        principal = (await self._who(body.ticket)).principal
        try:
            return await asyncio.to_thread(self._answer, principal, body)
        finally:
            if not isinstance(body, MfaState | MfaChallenge | MfaPasskeyOptions):
                await self._changed(None, principal.name)

    async def step_up(self, caller: Caller, body: StepUp) -> SteppedUp:
        """Say whether a kernel's challenge is proved; with a code, prove it first.

        Raises:
            SecondFactorError: there is no such challenge of this kernel, or the code is wrong.
        """
        assert caller.grant is not None
        number, user = caller.grant.id, caller.principal.name
        challenge = await asyncio.to_thread(self._factors.challenges.find, user, body.challenge, number)
        if body.code is None or challenge.proof is not None:
            return SteppedUp(verified=challenge.proof is not None)
        try:
            await asyncio.to_thread(self._factors.verify, challenge, caller.personal(), body.code)
        finally:
            await self._changed(None, user)
        return SteppedUp(verified=True)

    def _answer(self, principal: Principal, body: MfaRequest) -> RelayReply:
        told = self._told.get(type(body))
        if told is not None:
            return told(principal, body)
        state = self._factors.state(principal.name, self._changes[type(body)](principal.name, body))
        return replace(state, provider=self._provider)

    def _reset(self, principal: Principal, body: MfaReset) -> Done:
        self._enrolment.reset(principal, body.user, body.challenge)
        return Done()

    def _remove(self, user: str, body: MfaRemove) -> tuple[str, ...]:
        self._enrolment.remove(user, body.challenge, body.factor)
        return ()

    def _verify(self, user: str, body: MfaVerify) -> tuple[str, ...]:
        challenge = self._factors.challenges.find(user, body.challenge)
        self._factors.verify(challenge, challenge.personal(), body.code, body.assertion)
        return ()
