"""Passkeys (W3C Web Authentication, level 3), checked with the package `webauthn`.

Promises: the device verifies the person (`UV`), it is not enough to be there; challenge, origin and relying party are
checked; a counter that does not grow is refused, since then there are two of the device; a passkey proves its owner and
nobody else. Browsers offer passkeys to `localhost` and to domains, never to an address such as 127.0.0.1.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, delete, insert, select, update

from jupyter_secure.broker.store.database import transaction
from jupyter_secure.broker.store.tables.mfa import MFA_PASSKEYS as TABLE
from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.errors import ConflictError, SecondFactorError
from jupyter_secure.protocol.messages import Passkey

LOCAL = "localhost"
NAME = "jupyter-secure"
TIMEOUT = 120_000  # milliseconds that a browser waits for the person


@dataclass(frozen=True)
class RelyingParty:
    """Who asks for passkeys: the domain of the page.

    Attributes:
        origins: the pages that may ask, such as `https://hub.example.org`. Only for `localhost`, whose port is another
            one each time, may it be empty, and then every port of this computer may.
    """

    id: str = LOCAL
    origins: tuple[str, ...] = ()

    def origin(self, credential: dict[str, Any]) -> str:
        """Return the origin that a browser named, if it is one of ours.

        Raises:
            ValueError: it is not.
        """
        named = str(json.loads(_bytes(credential["response"]["clientDataJSON"]))["origin"])
        parts = urlsplit(named)
        local = self.id == LOCAL and not self.origins and parts.scheme in {"http", "https"} and parts.hostname == LOCAL
        if not local and named not in self.origins:
            raise ValueError("another origin")
        return named


class Passkeys:
    """The passkeys of one vault.

    Args:
        engine: the vault's database.
        now: milliseconds since 1970.
        vault: its identifier; the number that a device keeps for a person comes from it and the name.
        party: who asks.
    """

    def __init__(self, engine: Engine, now: Callable[[], int], vault: str, party: RelyingParty | None = None) -> None:
        self._engine = engine
        self._now = now
        self._vault = vault
        self._party = party or RelyingParty()

    def of(self, user: str) -> tuple[Passkey, ...]:
        """Return the passkeys of a person, oldest first."""
        query = select(TABLE.c.id, TABLE.c.label, TABLE.c.created).where(TABLE.c.user == user)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(TABLE.c.created, TABLE.c.id)).mappings()
            return tuple(Passkey(**row) for row in rows)

    def registration(self, user: str, challenge: str) -> str:
        """Return the options of `navigator.credentials.create`, as JSON text."""
        from webauthn import generate_registration_options, options_to_json
        from webauthn.helpers import structs

        options = generate_registration_options(
            rp_id=self._party.id,
            rp_name=NAME,
            user_name=user,
            user_id=hashlib.sha256(canonical({"vault": self._vault, "user": user})).digest(),
            challenge=bytes.fromhex(challenge),
            timeout=TIMEOUT,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.DISCOURAGED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=self._descriptors(user),
        )
        return options_to_json(options)

    def register(self, challenge: str, answer: str) -> dict[str, Any]:
        """Return the row of a new passkey, to be completed and stored by `add`.

        Raises:
            SecondFactorError: the answer is not one to that challenge.
        """
        from webauthn import verify_registration_response

        try:
            credential = json.loads(answer)
            made = verify_registration_response(
                credential=credential,
                expected_challenge=bytes.fromhex(challenge),
                expected_rp_id=self._party.id,
                expected_origin=self._party.origin(credential),
                require_user_verification=True,
            )
        except Exception as error:  # noqa: BLE001 - whatever a parser says of foreign bytes, they prove nothing
            raise SecondFactorError("That passkey was not accepted. Try again.", detail=_kind(error)) from None
        return {
            "id": _text(made.credential_id),
            "public_key": made.credential_public_key,
            "counter": made.sign_count,
        }

    def assertion(self, user: str, challenge: str) -> str:
        """Return the options of `navigator.credentials.get` as JSON text, empty if the person has no passkey."""
        from webauthn import generate_authentication_options, options_to_json
        from webauthn.helpers.structs import UserVerificationRequirement

        allowed = self._descriptors(user)
        if not allowed:
            return ""
        options = generate_authentication_options(
            rp_id=self._party.id,
            challenge=bytes.fromhex(challenge),
            timeout=TIMEOUT,
            allow_credentials=allowed,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options)

    def check(self, user: str, challenge: str, answer: str) -> bool:
        """Say whether the answer proves the challenge, and note the counter."""
        from webauthn import verify_authentication_response

        try:
            credential = json.loads(answer)
            which = (TABLE.c.id == _text(_bytes(credential["id"])), TABLE.c.user == user)
            with self._engine.connect() as connection:
                row = connection.execute(select(TABLE).where(*which)).mappings().one()
            proved = verify_authentication_response(
                credential=credential,
                expected_challenge=bytes.fromhex(challenge),
                expected_rp_id=self._party.id,
                expected_origin=self._party.origin(credential),
                credential_public_key=row["public_key"],
                credential_current_sign_count=row["counter"],
                require_user_verification=True,
            )
        except Exception:  # noqa: BLE001 - whatever a parser says of foreign bytes, they prove nothing
            return False
        unchanged = (*which, TABLE.c.counter == row["counter"])
        with transaction(self._engine) as connection:
            changed = connection.execute(update(TABLE).where(*unchanged).values(counter=proved.new_sign_count))
            return changed.rowcount == 1

    def add(self, connection: Connection, user: str, label: str, row: dict[str, Any]) -> None:
        """Keep a new passkey, inside the caller's transaction.

        Raises:
            ConflictError: it is kept already.
        """
        if connection.execute(select(TABLE.c.id).where(TABLE.c.id == row["id"])).first() is not None:
            raise ConflictError("That passkey is enrolled already. Nothing was changed.")
        named = " ".join("".join(char if char.isprintable() else " " for char in label).split())[:80] or "passkey"
        connection.execute(insert(TABLE), {**row, "user": user, "label": named, "created": self._now()})

    @staticmethod
    def remove(connection: Connection, user: str, passkey: str | None = None) -> int:
        """Remove one passkey of a person, or all; return how many."""
        which = [TABLE.c.user == user, *([] if passkey is None else [TABLE.c.id == passkey])]
        return connection.execute(delete(TABLE).where(*which)).rowcount

    def _descriptors(self, user: str) -> list[Any]:
        from webauthn.helpers.structs import PublicKeyCredentialDescriptor

        return [PublicKeyCredentialDescriptor(id=_bytes(passkey.id)) for passkey in self.of(user)]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _kind(error: Exception) -> str:
    return type(error).__name__
