"""Recovery codes, for whoever has lost the phone.

Promises: ten codes of 80 random bits; the store keeps Argon2id hashes alone; each is good once, also for two who try
at the same time; new ones replace all old ones. A code begins with its number, so one attempt costs one hash.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from jupyter_secure.broker.store.database import transaction
from jupyter_secure.broker.store.tables.mfa import MFA_RECOVERY as TABLE

from .passwords import Cost, check, hash_password

CODES = 10
BITS = 80
# A random code needs no slow hash to resist guessing; this much makes a stolen database useless for longer.
COST = Cost(memory=19_456, passes=2, lanes=1)


class Recovery:
    """The recovery codes of one vault.

    Args:
        engine: the vault's database.
        now: milliseconds since 1970.
    """

    def __init__(self, engine: Engine, now: Callable[[], int]) -> None:
        self._engine = engine
        self._now = now

    def left(self, user: str) -> int:
        """Return how many codes are still good."""
        query = select(func.count()).where(TABLE.c.user == user, TABLE.c.used.is_(None))
        with self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def use(self, user: str, code: str) -> bool:
        """Say whether the code is good, and use it up."""
        number, secret = _parse(code)
        which = (TABLE.c.user == user, TABLE.c.number == number, TABLE.c.used.is_(None))
        with self._engine.connect() as connection:
            stored = connection.execute(select(TABLE.c.hash).where(*which)).scalar()
        if not check(secret, stored, COST):
            return False
        with transaction(self._engine) as connection:
            return connection.execute(update(TABLE).where(*which).values(used=self._now())).rowcount == 1


def new_codes() -> tuple[tuple[str, ...], list[str]]:
    """Return new codes as they are shown, and their hashes."""
    drawn = [base64.b32encode(secrets.token_bytes(BITS // 8)).decode() for _ in range(CODES)]
    shown = tuple(
        "-".join([str(number), *(secret[at : at + 4] for at in range(0, len(secret), 4))])
        for number, secret in enumerate(drawn)
    )
    return shown, [hash_password(secret, COST) for secret in drawn]


def replace(connection: Connection, user: str, hashes: list[str]) -> None:
    """Put codes in the place of all old ones, inside the caller's transaction."""
    connection.execute(delete(TABLE).where(TABLE.c.user == user))
    if hashes:
        rows = [{"user": user, "number": number, "hash": text, "used": None} for number, text in enumerate(hashes)]
        connection.execute(insert(TABLE), rows)


def _parse(code: str) -> tuple[int, str]:
    plain = "".join(char for char in code.upper() if char.isascii() and char.isalnum())
    return (int(plain[0]), plain[1:]) if plain[:1].isdigit() else (-1, plain)
