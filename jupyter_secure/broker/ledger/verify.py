"""Replays a ledger from its first entry: chain, sums per budget, stored answers."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from jupyter_secure.broker.store.tables.ledger import LEDGER_ANSWERS, LEDGER_CAPS, LEDGER_ENTRIES

from .chain import Head, broken, commitment

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class Replay:
    """What the chain says, gathered entry by entry."""

    def __init__(self) -> None:
        self.head = Head()
        self.caps: dict[int, dict[str, Any]] = {}
        self.spent: defaultdict[int, int] = defaultdict(int)
        self.debits: dict[int, str] = {}
        self.answers: dict[int, tuple[str, str]] = {}

    def add(self, seq: int, text: str, digest: str) -> None:
        """Take one entry.

        Raises:
            IntegrityError: it does not continue the chain, or spends what was not there.
        """
        self.head = self.head.followed_by(text)
        if (self.head.size, self.head.hash) != (seq, digest):
            raise broken(f"the chain breaks at entry {seq}")
        entry = json.loads(text)
        match entry["kind"]:
            case "cap":
                self.caps.setdefault(entry["id"], entry)
                self.caps[entry["id"]]["cap"] = entry["cap"]
            case "debit":
                self._debit(seq, entry)
            case "answer":
                if entry["debit"] not in self.debits:
                    raise broken(f"entry {seq} answers nothing that was paid for")
                self.answers[seq] = (self.debits.pop(entry["debit"]), entry["digest"])
            case _:
                raise broken(f"entry {seq} is of no known kind")

    def _debit(self, seq: int, entry: dict[str, Any]) -> None:
        self.debits[seq] = entry["question"]
        for cap in entry["caps"]:
            self.spent[cap] += entry["units"]
            if entry["units"] < 1 or cap not in self.caps or self.spent[cap] > self.caps[cap]["cap"]:
                raise broken(f"entry {seq} spends more than there was")


def verify(engine: Engine) -> Head:
    """Check everything; return the head.

    Raises:
        IntegrityError: chain, budgets or answers are not what was recorded; the detail says where.
    """
    replay = Replay()
    with engine.connect() as connection:
        for row in connection.execute(select(LEDGER_ENTRIES).order_by(LEDGER_ENTRIES.c.seq)):
            try:
                replay.add(row.seq, row.body, row.hash)
            except (KeyError, TypeError, ValueError):
                raise broken(f"entry {row.seq} is malformed") from None
        _compare_caps(connection, replay)
        _compare_answers(connection, replay)
    return replay.head


def _compare_caps(connection: Connection, replay: Replay) -> None:
    rows = connection.execute(select(LEDGER_CAPS)).all()
    if {row.id for row in rows} != set(replay.caps):
        raise broken("budgets are missing or were added")
    for row in rows:
        recorded = replay.caps[row.id]
        if (row.kind, row.cap, row.spent) != (recorded["scope"], recorded["cap"], replay.spent[row.id]):
            raise broken(f"budget {row.id} is not what the entries add up to")
        if row.subject is not None and commitment(row.salt or b"", row.subject) != recorded["subject"]:
            raise broken(f"budget {row.id} belongs to somebody else")


def _compare_answers(connection: Connection, replay: Replay) -> None:
    table = LEDGER_ANSWERS.c
    found = {
        row.entry: (row.question, hashlib.sha256(row.answer).hexdigest())
        for row in connection.execute(select(table.entry, table.question, table.answer))
    }
    if found != replay.answers:
        raise broken("stored answers are not those that were recorded")
