"""Proofs of a second factor: which kind, counted, checked, logged, then believed, in this order.

Promises: a proof is about one challenge and refreshes the person's `mfa_at`; it counts only when the log holds it, with
its method and the digest of the challenge, never with the code; a wrong one is in the log too; codes, recovery codes
and passkeys share one count of wrong ones. People are known by name alone, so it does not matter who vouches for them.
Everything here blocks: call it in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from jupyter_secure.broker.challenges import Challenge, Challenges
from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.store.database import transaction
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.errors import InvalidRequestError, SecondFactorError
from jupyter_secure.protocol.messages import MfaOptions, MfaStateReply, PendingStepUp
from jupyter_secure.protocol.record import Header, Kind, Personal

from .attempts import Attempts, change, person
from .passkeys import Passkeys, RelyingParty
from .recovery import Recovery
from .totp import matching_step

TOTP, RECOVERY, PASSKEY = "totp", "recovery", "passkey"
PROVABLE = ("request", "verify", "manage")  # a challenge to make a passkey is answered by the new one alone
VERIFIED = "That is verified already, or over. Run the cell again."


class SecondFactor:
    """The factors of everybody in one vault.

    Args:
        vault: its store, log, keys and clock.
        party: who asks browsers for passkeys.
    """

    def __init__(self, vault: Vault, party: RelyingParty | None = None) -> None:
        self.vault = vault
        self.challenges = Challenges(vault.engine, vault.now)
        self.attempts = Attempts(vault.engine, vault.now)
        self.recovery = Recovery(vault.engine, vault.now)
        self.passkeys = Passkeys(vault.engine, vault.now, vault.id, party)

    def state(self, user: str, recovery: tuple[str, ...] = ()) -> MfaStateReply:
        """Return what the person has and what waits; `recovery` passes on new codes."""
        row = self.row(user)
        return MfaStateReply(
            totp=row["totp"] is not None,
            passkeys=self.passkeys.of(user),
            recovery_left=self.recovery.left(user),
            mfa_at=row["verified"],
            locked_until=row["until"] if row["until"] > self.vault.now() else None,
            pending=tuple(_pending(challenge) for challenge in self.challenges.waiting(user)),
            recovery=recovery,
        )

    def enrolled(self, user: str) -> bool:
        """Say whether the person has an app or a passkey; recovery codes alone are none."""
        return self.row(user)["totp"] is not None or bool(self.passkeys.of(user))

    def challenge(self, user: str, use: str) -> MfaOptions:
        """Return a new challenge of the use `verify` or `manage`."""
        return self._options(user, self.challenges.make(user, use))

    def options(self, user: str, challenge: str) -> MfaOptions:
        """Return what a browser needs to prove a waiting challenge.

        Raises:
            SecondFactorError: there is none of that number for the person.
        """
        return self._options(user, self.challenges.find(user, challenge))

    def verify(self, challenge: Challenge, personal: Personal, code: str | None, assertion: str | None = None) -> None:
        """Prove a challenge.

        Raises:
            InvalidRequestError: neither code nor assertion was given, or both.
            SecondFactorError: the proof is wrong, was used before, or comes too soon after wrong ones.
            LockedError: the secret of the app cannot be opened; nothing was counted.
            AuditUnavailableError: the log cannot be written; the proof is used up and counts for nothing.
        """
        if challenge.use not in PROVABLE or challenge.proof is not None:
            raise SecondFactorError(VERIFIED)
        user = challenge.user
        method, check = self._method(challenge, code, assertion)
        self.examine(user, check, personal, challenge, method=method)
        self.accept(challenge, personal, self.vault.now() // 1000, method=method)

    def accept(self, challenge: Challenge, personal: Personal, at: int, **how: str) -> None:
        """Log a proof that was found good, then believe it.

        Args:
            challenge: what it is about.
            personal: whose it is.
            at: when the person showed the factor, seconds since 1970.
            how: the method, and what else the log is to hold of it.

        Raises:
            SecondFactorError: the challenge is over, or was proved meanwhile.
            AuditUnavailableError: the log cannot be written; nothing is believed.
        """
        seq = self.log(Kind.MFA_VERIFIED, personal, challenge, **how)
        with transaction(self.vault.engine) as connection:
            self.challenges.prove(connection, challenge.id, seq)
            last = person(connection, challenge.user)["verified"]
            change(connection, challenge.user, verified=at if last is None else max(at, last))

    def examine(
        self,
        user: str,
        check: Callable[[], bool],
        personal: Personal,
        challenge: Challenge | None = None,
        **extra: str,
    ) -> None:
        """Count an attempt, look at it, and log it if it is wrong.

        Raises:
            SecondFactorError: it is wrong, or comes too soon after wrong ones.
        """
        try:
            locks = self.attempts.count(user)
        except SecondFactorError:
            self.log(Kind.MFA_FAILED, personal, challenge, "refused", waiting="yes", **extra)
            raise
        if not check():
            self.log(Kind.MFA_FAILED, personal, challenge, "refused", **extra)
            if locks:
                self.log(Kind.MFA_LOCKED, personal)
            raise SecondFactorError
        with transaction(self.vault.engine) as connection:
            Attempts.clear(connection, user)

    def row(self, user: str) -> dict[str, Any]:
        """Return the row of a person."""
        with transaction(self.vault.engine) as connection:
            return person(connection, user)

    def log(
        self, kind: Kind, personal: Personal, challenge: Challenge | None = None, outcome: str = "done", **extra: str
    ) -> int:
        """Write one entry about a factor; return its number."""
        header = Header(time=self.vault.now(), kind=kind, outcome=outcome, extra=extra)
        if challenge is not None:
            header = replace(header, request=challenge.entry, extra={**extra, "challenge": challenge.digest})
        return self.vault.audit.append(header, personal)

    def use_code(self, user: str, wrapped: bytes | None, column: str) -> Callable[[str], bool]:
        """Return the check of an app's codes; an accepted step is noted before the answer is given.

        Raises:
            LockedError: the vault is locked.
        """
        secret = None if wrapped is None else self.vault.keychain.unwrap_secret(Purpose.TOTP, user, wrapped)

        def check(code: str) -> bool:
            if secret is None:
                return False
            with transaction(self.vault.engine) as connection:
                row = person(connection, user)
                step = matching_step(secret, code, self.vault.now(), row["step"])
                if step is None or row[column] != wrapped:  # removed or replaced meanwhile
                    return False
                change(connection, user, step=step)
                return True

        return check

    def _method(self, challenge: Challenge, code: str | None, assertion: str | None) -> tuple[str, Callable[[], bool]]:
        user = challenge.user
        if (code is None) == (assertion is None):
            raise InvalidRequestError("Give a code, or use a passkey.")
        if code is None:
            return PASSKEY, lambda: self.passkeys.check(user, challenge.digest, str(assertion))
        plain = code.replace(" ", "")
        if len(plain) == 6 and plain.isdecimal():
            check = self.use_code(user, self.row(user)["totp"], "totp")
            return TOTP, lambda: check(plain)
        return RECOVERY, lambda: self.recovery.use(user, code)

    def _options(self, user: str, challenge: Challenge) -> MfaOptions:
        return MfaOptions(challenge=challenge.id, options=self.passkeys.assertion(user, challenge.digest))


def _pending(challenge: Challenge) -> PendingStepUp:
    return PendingStepUp(challenge=challenge.id, expires=challenge.expires, **challenge.about)
