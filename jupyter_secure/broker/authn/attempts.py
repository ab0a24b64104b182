"""Wrong proofs of a second factor, counted in the store: a restart of the broker forgets none.

Promises: an attempt is counted before it is looked at, so attempts made at the same time do not slip past; after each
`FREE` wrong ones in a row the person waits, `FIRST` at first and twice as long each time, up to `LONGEST`; a right one
clears the count. Six digits of which three are good at a time, five guesses at once: a million guesses take centuries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from jupyter_secure.broker.store.database import transaction
from jupyter_secure.broker.store.tables.mfa import MFA_PEOPLE
from jupyter_secure.protocol.errors import SecondFactorError

FREE = 5
FIRST = 5 * 60 * 1000  # milliseconds
LONGEST = 24 * 3600 * 1000
EMPTY = {"totp": None, "draft": None, "draft_until": 0, "step": 0, "verified": None, "wrong": 0, "until": 0}


class Attempts:
    """Counts by person.

    Args:
        engine: the vault's database.
        now: milliseconds since 1970.
    """

    def __init__(self, engine: Engine, now: Callable[[], int]) -> None:
        self._engine = engine
        self._now = now

    def count(self, user: str) -> bool:
        """Count one attempt as wrong until `clear`; return whether this one, being wrong, makes the person wait.

        Raises:
            SecondFactorError: too soon; the attempt is not counted.
        """
        now = self._now()
        with transaction(self._engine) as connection:
            row = person(connection, user)
            if now < row["until"]:
                minutes = -(-(row["until"] - now) // 60_000)
                raise SecondFactorError(
                    f"Too many wrong codes. Try again in {minutes} min, or ask a data steward to reset your factors."
                )
            wrong = int(row["wrong"]) + 1
            locks = wrong % FREE == 0
            # The bound keeps the number small however long somebody tries.
            wait = min(LONGEST, FIRST << min(wrong // FREE - 1, 10)) if locks else 0
            change(connection, user, wrong=wrong, until=now + wait if locks else 0)
        return locks

    @staticmethod
    def clear(connection: Connection, user: str) -> None:
        """Forget the wrong ones, inside the caller's transaction."""
        change(connection, user, wrong=0, until=0)


def person(connection: Connection, user: str) -> dict[str, Any]:
    """Return the row of a person; it is made if there is none."""
    query = select(MFA_PEOPLE).where(MFA_PEOPLE.c.user == user)
    row = connection.execute(query).mappings().first()
    if row is None:
        connection.execute(insert(MFA_PEOPLE), {"user": user, **EMPTY})
        row = connection.execute(query).mappings().one()
    return dict(row)


def change(connection: Connection, user: str, **values: Any) -> None:
    """Change the row of a person."""
    connection.execute(update(MFA_PEOPLE).where(MFA_PEOPLE.c.user == user).values(**values))
