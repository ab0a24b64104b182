"""The rows of signed policies; what is signed in them is the business of `broker.policy.archive`."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError as AlreadyThereError

from jupyter_secure.protocol.errors import ConflictError

from .database import Family, reading, transaction
from .prepared import Prepared
from .tables.policy import POLICIES

_NEWEST = Prepared(select(POLICIES.c.number, POLICIES.c.digest).order_by(POLICIES.c.number.desc()).limit(1))


class Row(NamedTuple):
    """One row; `applied` in milliseconds since 1970."""

    number: int
    digest: str
    envelope: bytes
    applied: int


class PolicyRows:
    """Reads all rows and adds one; nothing here changes or deletes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self) -> list[Row]:
        """Return all rows, the smallest number first."""
        columns = (POLICIES.c.number, POLICIES.c.digest, POLICIES.c.envelope, POLICIES.c.applied)
        with self._engine.connect() as connection:
            return [Row(*row) for row in connection.execute(select(*columns).order_by(POLICIES.c.number))]

    def newest(self) -> tuple[int, str]:
        """Return number and digest of the newest row; (0, "") if there is none."""
        with reading(self._engine) as connection:
            row = _NEWEST.first(connection)
        return (0, "") if row is None else (row.number, row.digest)

    def add(self, number: int, digest: str, envelope: bytes, applied: int) -> None:
        """Add a row durably.

        Raises:
            ConflictError: the number is taken.
        """
        row = {"number": number, "digest": digest, "envelope": envelope, "applied": applied}
        try:
            with transaction(self._engine, Family.POLICY) as connection:
                connection.execute(insert(POLICIES).values(**row))
        except AlreadyThereError:
            raise ConflictError(
                "Another policy was applied meanwhile. Nothing was changed; look at it first."
            ) from None
