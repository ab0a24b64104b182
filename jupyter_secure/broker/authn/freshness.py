"""When a person last proved a second factor: the broker's own record, by name, whoever vouches for the name."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from jupyter_secure.broker.store.prepared import Prepared
from jupyter_secure.broker.store.tables.mfa import MFA_PEOPLE

_VERIFIED = Prepared(select(MFA_PEOPLE.c.verified).where(MFA_PEOPLE.c.user == bindparam("user")))


def verified_at(connection: Connection, user: str) -> int | None:
    """Return the value for `Principal.mfa_at`: seconds since 1970, None if never."""
    found = _VERIFIED.first(connection, user=user)
    return None if found is None else found.verified
