"""Local accounts: a name, roles, a password hash.

Promises: names follow one plain pattern; roles are read from the table at each use, so a change holds at once; a
disabled account proves nothing and is nobody; the answer to a wrong password, an unknown name and a disabled account is
the same, in the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError as AlreadyThereError

from jupyter_secure.broker.store.database import reading, transaction
from jupyter_secure.broker.store.prepared import Prepared
from jupyter_secure.broker.store.tables.accounts import ACCOUNTS, TICKETS
from jupyter_secure.protocol.errors import ConflictError, InvalidRequestError, UnauthenticatedError
from jupyter_secure.protocol.noun import Count, Noun, RoleName, UserName
from jupyter_secure.protocol.principal import Principal

from .passwords import Cost, check, hash_password, require_strong

WRONG = "That name and password do not belong together. Try again, or ask a data steward for an account."
_NAMED = Prepared(select(ACCOUNTS).where(ACCOUNTS.c.name == bindparam("name")))  # asked twice in each request
_UNKNOWN = "There is no active account of that name. `jupyter secure user list` shows those there are."


class Account(Noun):
    """An account as a steward sees it; `created` in milliseconds since 1970."""

    name: UserName
    display_name: str
    roles: tuple[RoleName, ...]
    disabled: bool
    created: Count


class Accounts:
    """The accounts of one vault.

    Args:
        engine: the vault's database.
        now: milliseconds since 1970.
        cost: what a new password hash costs.
    """

    def __init__(self, engine: Engine, now: Callable[[], int], cost: Cost | None = None) -> None:
        self._engine = engine
        self._now = now
        self._cost = cost or Cost()

    def add(self, name: str, password: str, roles: Sequence[str] = (), display_name: str = "") -> Principal:
        """Make an account.

        Raises:
            InvalidRequestError: name, role or password is not acceptable.
            ConflictError: the name is taken.
        """
        require_strong(password)
        account = {
            "name": _checked(name, UserName, "A name is 1 to 63 of a-z, 0-9, '.', '_', '@', '-'."),
            "display_name": (display_name.strip() or name)[:200],
            "password_hash": hash_password(password, self._cost),
            "roles": _roles(roles),
            "disabled": False,
            "created": self._now(),
        }
        try:
            with transaction(self._engine) as connection:
                connection.execute(insert(ACCOUNTS), account)
        except AlreadyThereError:
            raise ConflictError("There is an account of that name already. Nothing was changed.") from None
        return self.get(name)

    def get(self, name: str) -> Principal:
        """Return who an active account stands for, with the roles of now.

        Raises:
            UnauthenticatedError: there is no such account, or it is disabled.
        """
        with reading(self._engine) as connection:
            return active(connection, name)

    def verify_password(self, name: str, password: str) -> Principal:
        """Return who has proved to be `name`.

        Raises:
            UnauthenticatedError: wrong password, unknown name or disabled account; the three look the same.
        """
        with self._engine.connect() as connection:
            row = _row(connection, name)
        stored = row["password_hash"] if row is not None and not row["disabled"] else None
        if not check(password, stored, self._cost):
            raise UnauthenticatedError(WRONG)
        return self.get(name)

    def list(self) -> tuple[Account, ...]:
        """Return all accounts by name, the disabled ones too."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name)).mappings()
            return tuple(_account(dict(row)) for row in rows)

    def disable(self, name: str) -> None:
        """End an account: its tickets are deleted and its grants are refused from now on.

        Raises:
            InvalidRequestError: there is no such account.
        """
        self._change(name, disabled=True)

    def set_roles(self, name: str, roles: Sequence[str]) -> None:
        """Replace the roles; holds from the next request on.

        Raises:
            InvalidRequestError: there is no such account, or a role is not a name.
        """
        self._change(name, roles=_roles(roles))

    def set_password(self, name: str, password: str) -> None:
        """Replace the password and end every ticket that the old one had opened.

        Raises:
            InvalidRequestError: there is no such account, or the password is too short.
        """
        require_strong(password)
        self._change(name, password_hash=hash_password(password, self._cost))

    def _change(self, name: str, **values: object) -> None:
        with transaction(self._engine) as connection:
            if connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values)).rowcount != 1:
                raise InvalidRequestError(_UNKNOWN)
            if "roles" not in values:
                connection.execute(delete(TICKETS).where(TICKETS.c.user == name))


def active(connection: Connection, name: str) -> Principal:
    """Return the principal of an active account, inside the caller's transaction.

    Raises:
        UnauthenticatedError: there is no such account, or it is disabled.
    """
    row = _row(connection, name)
    if row is None or row["disabled"]:
        raise UnauthenticatedError(_UNKNOWN)
    return Principal(name=name, display_name=row["display_name"], roles=tuple(row["roles"]))


def _row(connection: Connection, name: str) -> dict[str, Any] | None:
    found = _NAMED.first(connection, name=name)
    return None if found is None else dict(found._asdict())


def _account(row: dict[str, Any]) -> Account:
    return Account(
        name=row["name"],
        display_name=row["display_name"],
        roles=tuple(row["roles"]),
        disabled=row["disabled"],
        created=row["created"],
    )


def _roles(roles: Sequence[str]) -> list[str]:
    return [_checked(role, RoleName, "A role is 1 to 63 of a-z, 0-9 and '-'.") for role in dict.fromkeys(roles)]


def _checked(value: str, kind: Any, sentence: str) -> str:
    try:
        return str(msgspec.convert(value, kind))
    except msgspec.ValidationError:
        raise InvalidRequestError(sentence) from None
