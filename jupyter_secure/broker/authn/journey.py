"""A step up by way of the organisation's identity provider: there, and back, once.

Promises: a login there proves one waiting challenge and nothing else: state, nonce and PKCE verifier all come from one
secret that the browser alone holds, and the nonce from the challenge's digest too; a browser comes back at most once;
only a login that happened after it was sent away counts, of the very person whose challenge it is; the log holds class,
time and the digest of the challenge, never a code or a token; what failed is in the log with the reason. Changing one's
own factors takes one of them, so no challenge for that is proved here.

Steps of `finish`: state -> the journey is over -> code for token -> token read -> logged -> believed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from jupyter_secure.broker.challenges import LIFETIME, REQUEST, Challenge
from jupyter_secure.broker.store.database import transaction
from jupyter_secure.broker.store.tables.mfa import MFA_JOURNEYS as TABLE
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.errors import SecondFactorError, SecureError
from jupyter_secure.protocol.record import Kind

from .id_token import Expected, Proof, read, refused
from .identity_provider import IdentityProvider
from .second_factor import VERIFIED, SecondFactor

OIDC = "oidc"
USES = (REQUEST, "verify")
_LOST = "This login was not begun in this browser, or is over. Begin again from the Secure Data sidebar."


@dataclass(frozen=True)
class Returned:
    """What the provider gave the browser to bring back; None where there was nothing, or more than one."""

    state: str | None
    code: str | None
    issuer: str | None
    error: str | None


class Journeys:
    """Browsers on their way.

    Args:
        vault: its store, log and clock.
        provider: where they are sent.
    """

    def __init__(self, vault: Vault, provider: IdentityProvider) -> None:
        self._vault = vault
        self._provider = provider
        self._factors = SecondFactor(vault)

    async def begin(self, number: str) -> tuple[str, str]:
        """Return the address to send a browser to, and the secret that it has to bring back.

        Raises:
            SecondFactorError: nothing of that number waits.
            UnavailableError: the provider cannot be reached.
        """
        challenge = await asyncio.to_thread(self._waiting, number)
        endpoints = await self._provider.discover()
        secret = secrets.token_urlsafe(32)
        await asyncio.to_thread(self._set_out, challenge, secret)
        state, nonce, verifier = _state(secret), _nonce(secret, challenge), _derived(secret, "verifier")
        return self._provider.address(endpoints, state, nonce, verifier), secret

    async def finish(self, secret: str, returned: Returned) -> Challenge:
        """Prove the challenge by what a browser brought back; return it.

        Raises:
            SecondFactorError: it proves nothing; logged if it is known whose it was.
            UnavailableError: the provider cannot be reached; logged.
            AuditUnavailableError: the log cannot be written; nothing is believed.
        """
        if returned.state is None or not hmac.compare_digest(returned.state.encode(), _state(secret).encode()):
            raise SecondFactorError(_LOST, detail="state")
        challenge, started = await asyncio.to_thread(self._arrive, secret)
        try:
            proof = await self._proof(secret, returned, challenge, started)
        except SecureError as error:
            await asyncio.to_thread(self._failed, challenge, error)
            raise
        how = {"method": OIDC, "acr": proof.acr, "auth_time": str(proof.auth_time)}
        await asyncio.to_thread(self._factors.accept, challenge, challenge.personal(), proof.auth_time, **how)
        return challenge

    async def _proof(self, secret: str, returned: Returned, challenge: Challenge, started: int) -> Proof:
        registration = self._provider.registration
        if returned.error is not None or returned.code is None:
            raise refused("provider")
        endpoints = await self._provider.discover()
        named = returned.issuer is not None or endpoints.authorization_response_iss_parameter_supported
        if named and returned.issuer != registration.issuer:
            raise refused("issuer")
        token = await self._provider.redeem(endpoints, returned.code, _derived(secret, "verifier"))
        expected = Expected(
            issuer=registration.issuer,
            client=registration.client_id,
            nonce=_nonce(secret, challenge),
            acr=registration.acr,
            claim=registration.subject,
            user=challenge.user,
            started=started,
        )
        return read(token, await self._provider.keys(endpoints), expected, self._vault.now() // 1000)

    def _waiting(self, number: str) -> Challenge:
        challenge = self._factors.challenges.named(number)
        if challenge.use not in USES or challenge.proof is not None:
            raise SecondFactorError(VERIFIED)
        return challenge

    def _set_out(self, challenge: Challenge, secret: str) -> None:
        now = self._vault.now() // 1000
        row = {"challenge": challenge.id, "secret": _digest(secret), "started": now}
        over = (TABLE.c.challenge == challenge.id) | (TABLE.c.started <= now - LIFETIME // 1000)
        with transaction(self._vault.engine) as connection:
            connection.execute(delete(TABLE).where(over))
            connection.execute(insert(TABLE), row)

    def _arrive(self, secret: str) -> tuple[Challenge, int]:
        which = TABLE.c.secret == _digest(secret)
        with transaction(self._vault.engine) as connection:
            row = connection.execute(select(TABLE).where(which)).first()
            if row is None or connection.execute(delete(TABLE).where(which)).rowcount != 1:
                raise SecondFactorError(_LOST, detail="journey")
        return self._waiting(row.challenge), row.started

    def _failed(self, challenge: Challenge, error: SecureError) -> None:
        reason = error.detail if isinstance(error, SecondFactorError) else error.code
        self._factors.log(
            Kind.MFA_FAILED, challenge.personal(), challenge, "refused", method=OIDC, reason=reason or error.code
        )


def _state(secret: str) -> str:
    return _derived(secret, "state")


def _nonce(secret: str, challenge: Challenge) -> str:
    return _derived(secret, f"nonce {challenge.digest}")


def _derived(secret: str, use: str) -> str:
    raw = hmac.digest(secret.encode(), use.encode(), "sha256")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
