"""Changes of a person's factors: enrol, remove, new recovery codes, and the reset by somebody else.

Promises: the first factor follows a login; every other change takes a challenge of the use `manage` that was proved
with a factor the person has, and uses it up; what was begun before another factor came is void; recovery codes are made
with the first factor and told once; nobody resets himself; every change is in the log before it holds.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete

from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.store.database import transaction
from jupyter_secure.broker.store.tables.mfa import MFA_CHALLENGES
from jupyter_secure.protocol.errors import InvalidRequestError, RefusedError, SecondFactorError
from jupyter_secure.protocol.messages import MfaOptions, MfaSecret
from jupyter_secure.protocol.principal import Principal, Role
from jupyter_secure.protocol.record import Kind, Personal

from . import recovery, totp
from .attempts import EMPTY, change, person
from .passkeys import Passkeys
from .second_factor import PASSKEY, RECOVERY, TOTP, SecondFactor

DRAFT = 10 * 60 * 1000  # milliseconds to type the first code of a new app
_BEGIN = "Begin again: that was not finished in time."


class Enrolment:
    """What a person changes about the own factors, and a steward about another person's."""

    def __init__(self, factors: SecondFactor) -> None:
        self._factors = factors
        self._vault = factors.vault

    def begin_totp(self, user: str, permission: str | None) -> MfaSecret:
        """Return the secret of a new app; it counts for nothing until `confirm_totp`.

        Raises:
            SecondFactorError: the person has a factor and did not prove it.
            LockedError: the secret cannot be wrapped.
        """
        secret = totp.new_secret()
        wrapped = self._vault.keychain.wrap_secret(Purpose.TOTP, user, secret)
        self._permit(user, permission)
        with transaction(self._vault.engine) as connection:
            person(connection, user)
            change(connection, user, draft=wrapped, draft_until=self._vault.now() + DRAFT)
        address = totp.address(secret, user)
        return MfaSecret(uri=address, secret=totp.text_of(secret), qr=totp.qr_rows(address))

    def confirm_totp(self, user: str, code: str) -> tuple[str, ...]:
        """Keep the new app, in the place of an older one, if it shows this code; return new recovery codes, if any.

        Raises:
            SecondFactorError: nothing was begun, or the code is wrong.
        """
        row = self._factors.row(user)
        draft = row["draft"] if row["draft_until"] > self._vault.now() else None
        if draft is None:
            raise SecondFactorError(_BEGIN)
        check = self._factors.use_code(user, draft, "draft")
        personal = Personal(user=user)
        self._factors.examine(user, lambda: check(code.replace(" ", "")), personal, method=TOTP)
        shown, hashes = self._codes(user)
        self._factors.log(Kind.MFA_ENROLLED, personal, method=TOTP)
        with transaction(self._vault.engine) as connection:
            if person(connection, user)["draft"] != draft:
                raise SecondFactorError(_BEGIN)
            change(connection, user, totp=draft)
            _settle(connection, user, hashes)
        return shown

    def begin_passkey(self, user: str, permission: str | None) -> MfaOptions:
        """Return what a browser needs to make a passkey.

        Raises:
            SecondFactorError: the person has a factor and did not prove it.
        """
        self._permit(user, permission)
        challenge = self._factors.challenges.make(user, PASSKEY)
        return MfaOptions(challenge=challenge.id, options=self._factors.passkeys.registration(user, challenge.digest))

    def keep_passkey(self, user: str, challenge: str, answer: str, label: str) -> tuple[str, ...]:
        """Keep a new passkey; return new recovery codes, if any.

        Raises:
            SecondFactorError: nothing was begun, or the answer is not one to it.
            ConflictError: it is kept already.
        """
        begun = self._factors.challenges.spend(user, challenge, PASSKEY, proved=False)
        row = self._factors.passkeys.register(begun.digest, answer)
        shown, hashes = self._codes(user)
        self._factors.log(Kind.MFA_ENROLLED, Personal(user=user), begun, method=PASSKEY)
        with transaction(self._vault.engine) as connection:
            person(connection, user)
            self._factors.passkeys.add(connection, user, label, row)
            _settle(connection, user, hashes)
        return shown

    def new_codes(self, user: str, permission: str) -> tuple[str, ...]:
        """Replace the recovery codes and return the new ones.

        Raises:
            SecondFactorError: the person did not prove a factor, or has none.
        """
        if not self._factors.enrolled(user):
            raise SecondFactorError("Add an app or a passkey first: recovery codes stand in for one.")
        self._permit(user, permission)
        shown, hashes = recovery.new_codes()
        self._factors.log(Kind.MFA_ENROLLED, Personal(user=user), method=RECOVERY)
        with transaction(self._vault.engine) as connection:
            recovery.replace(connection, user, hashes)
        return shown

    def remove(self, user: str, permission: str, factor: str) -> None:
        """Remove the app (`totp`) or one passkey; with the last factor the recovery codes go too.

        Raises:
            SecondFactorError: the person did not prove a factor.
            InvalidRequestError: there is no such factor.
        """
        if factor not in {*([TOTP] if self._factors.row(user)["totp"] else []), *self._passkeys(user)}:
            raise InvalidRequestError("You have no such factor. Nothing was changed.")
        self._permit(user, permission)
        self._factors.log(Kind.MFA_REMOVED, Personal(user=user), method=TOTP if factor == TOTP else PASSKEY)
        with transaction(self._vault.engine) as connection:
            if factor == TOTP:
                change(connection, user, totp=None)
            else:
                Passkeys.remove(connection, user, factor)
        if not self._factors.enrolled(user):
            self._clear(user)

    def reset(self, steward: Principal, user: str, permission: str | None) -> None:
        """Take all factors of somebody who has lost them, so that the next login can enrol anew.

        Raises:
            RefusedError: whoever asks is no steward.
            InvalidRequestError: it is the steward's own name, or that person has no factor.
            SecondFactorError: the steward has a factor and did not prove it.
        """
        if not steward.has(Role.STEWARD):
            raise RefusedError("Only a data steward resets the factors of somebody else.")
        if steward.name == user:
            raise InvalidRequestError("Nobody resets the own factors. Ask another data steward.")
        if not self._factors.enrolled(user):
            raise InvalidRequestError("That person has no second factor. Nothing was changed.")
        self._permit(steward.name, permission)
        self._factors.log(Kind.MFA_RESET, Personal(user=user, note=f"by {steward.name}"))
        self._clear(user)

    def _permit(self, user: str, permission: str | None) -> None:
        if not self._factors.enrolled(user):
            return
        if permission is None:
            raise SecondFactorError("Verify one of your factors first.")
        self._factors.challenges.spend(user, permission, "manage", proved=True)

    def _passkeys(self, user: str) -> list[str]:
        return [passkey.id for passkey in self._factors.passkeys.of(user)]

    def _codes(self, user: str) -> tuple[tuple[str, ...], list[str]]:
        return ((), []) if self._factors.enrolled(user) else recovery.new_codes()

    def _clear(self, user: str) -> None:
        with transaction(self._vault.engine) as connection:
            person(connection, user)
            # The newest step stays: were the same app enrolled again, no old code would be good again.
            change(connection, user, **{name: value for name, value in EMPTY.items() if name != "step"})
            Passkeys.remove(connection, user)
            recovery.replace(connection, user, [])
            connection.execute(delete(MFA_CHALLENGES).where(MFA_CHALLENGES.c.user == user))


def _settle(connection: Connection, user: str, hashes: list[str]) -> None:
    change(connection, user, draft=None)
    if hashes:
        recovery.replace(connection, user, hashes)
    begun = (MFA_CHALLENGES.c.user == user, MFA_CHALLENGES.c.use.in_((PASSKEY, "manage")))
    connection.execute(delete(MFA_CHALLENGES).where(*begun))
