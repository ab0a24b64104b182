"""The ledger: reserve, then compute, then keep the answer.

Order for the caller: validate the question -> its cost -> `reserve` (durable when it returns) -> only then draw noise;
beside it put `seen` into the audit log -> `attach` the answer -> send, once all of it is durable. A crash after
`reserve` loses budget and leaks nothing; a crash after `attach` answers the same bytes again. Nothing is ever
refunded: a refund on failure would itself be an answer.

Promises: in one immediate transaction each cap is raised only if it stays within its bound, by a conditional UPDATE,
or none is; a budget that nobody set refuses; an identical question of one person gets the stored bytes for free,
whoever pays; a refusal names the kind of cap and no amount.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, insert, select, update

from jupyter_secure.broker.store.database import Family, reading, transaction
from jupyter_secure.broker.store.prepared import Prepared, PreparedWrite
from jupyter_secure.broker.store.tables.ledger import LEDGER_ANSWERS, LEDGER_CAPS, LEDGER_ENTRIES
from jupyter_secure.protocol.errors import BudgetError, ConflictError

from . import caps
from .accountant import MAX_UNITS
from .balance import Balance
from .chain import Head, body, broken, commitment, question_key
from .scope import PAYING, Scope

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_ENTRIES, _KEPT = LEDGER_ENTRIES.c, LEDGER_ANSWERS.c
_NEWEST = Prepared(select(_ENTRIES.seq, _ENTRIES.hash).order_by(_ENTRIES.seq.desc()).limit(1))
_BODY = Prepared(select(_ENTRIES.body).where(_ENTRIES.seq == bindparam("number")))
_ENTRY, _ANSWER = PreparedWrite(insert(LEDGER_ENTRIES)), PreparedWrite(insert(LEDGER_ANSWERS))
_ANSWERS = Prepared(select(_KEPT.entry).where(_KEPT.question == bindparam("key")))
_FIRST_ANSWER = Prepared(
    select(_KEPT.entry, _KEPT.answer).where(_KEPT.question == bindparam("key")).order_by(_KEPT.entry).limit(1)
)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Budget that is gone; `attach` completes it. `balances` are those asked for, after it."""

    seq: int
    key: str
    units: int
    balances: tuple[Balance, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The bytes that the identical question got before. `balances` are those asked for, as they are."""

    seq: int
    answer: bytes
    balances: tuple[Balance, ...] = field(default=(), compare=False)


class Ledger:
    """The privacy ledger of one vault."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen = Head()
        self._seeing = threading.Lock()

    def set_cap(self, scope: Scope, units: int) -> None:
        """Make a budget, or change its cap, as policy says; a cap below what is spent becomes what is spent.

        Costs one read when nothing changes. Every change is an entry of the chain.
        """
        self.set_caps({scope: units})

    def set_caps(self, wanted: Mapping[Scope, int]) -> None:
        """Make or change several budgets, as `set_cap` does; one read when nothing changes."""
        with reading(self._engine) as connection:
            stale = _stale(connection, wanted)
        self._write_caps(stale)

    def stale_caps(self, dataset: str, wanted: Callable[[int], Mapping[Scope, int]]) -> dict[Scope, int]:
        """Return the caps to set; `wanted` is given how often the budgets of the dataset were renewed."""
        with reading(self._engine) as connection:
            return _stale(connection, wanted(caps.renewals(connection, dataset)))

    def charges(self, question: str, scopes: tuple[Scope, ...], units: int, *, also: tuple[Scope, ...] = ()) -> bool:
        """Say whether `reserve` would spend now: the answer is not on record, and every budget allows it."""
        with reading(self._engine) as connection:
            found = caps.rows(connection, tuple(sorted({*scopes, *also})))
            if not set(scopes) <= set(found) or any(row.spent + units > row.cap for row in found.values()):
                return False
            key = question_key(question, [row.id for scope, row in found.items() if scope.kind in PAYING])
            return _FIRST_ANSWER.first(connection, key=key) is None

    def reserve(
        self,
        question: str,
        scopes: tuple[Scope, ...],
        units: int,
        *,
        also: tuple[Scope, ...] = (),
        shown: tuple[Scope, ...] = (),
    ) -> Reservation | StoredAnswer:
        """Spend `units` from every scope, durably, or return the answer that was paid for before.

        Args:
            question: `protocol.query.question_digest`.
            scopes: all budgets that pay, the dataset's among them.
            units: cost in 1e-9 rho.
            also: budgets that pay too where somebody has set them.
            shown: budgets whose balances are wanted.

        Raises:
            BudgetError: some budget is missing or too small; nothing was spent.
            IntegrityError: the ledger is not the one this process knew.
        """
        if units < 1 or "dataset" not in {scope.kind for scope in scopes}:
            raise BudgetError(detail="a reservation needs a cost and the dataset's budget")
        with transaction(self._engine, Family.LEDGER) as connection:
            ids = caps.numbers(connection, scopes, also)
            key = question_key(question, [row for scope, row in ids.items() if scope.kind in PAYING])
            stored = _stored(connection, key)
            if stored is not None:
                return replace(stored, balances=_balances(connection, shown))
            for scope, row in ids.items():
                caps.spend(connection, scope, row, units)
            paid = sorted(ids.values())
            head = self._append(connection, body(kind="debit", question=key, caps=paid, units=units))
            balances = _balances(connection, shown)
        self._saw(head)
        return Reservation(head.size, key, units, balances)

    def attach(self, reservation: Reservation, answer: bytes) -> None:
        """Keep the answer that a reservation paid for, durably.

        Raises:
            ConflictError: the reservation is not one of this ledger, or has its answer.
        """
        digest = hashlib.sha256(answer).hexdigest()
        with transaction(self._engine, Family.LEDGER) as connection:
            found = _body(connection, reservation.seq)
            if found.get("kind") != "debit" or found.get("question") != reservation.key:
                raise ConflictError("That reservation is not in the privacy ledger.")
            if _answered(connection, reservation):
                raise ConflictError("That question has its answer already.")
            entry = self._append(connection, body(kind="answer", debit=reservation.seq, digest=digest))
            _ANSWER.run(connection, entry=entry.size, question=reservation.key, answer=answer)
        self._saw(entry)

    def renewals(self, dataset: str) -> int:
        """Return how often the budgets of a dataset were renewed; each time they grow by what policy says."""
        with reading(self._engine) as connection:
            return caps.renewals(connection, dataset)

    def renew(self, dataset: str) -> Head:
        """Renew the budgets of a dataset once more; what was spent stays spent.

        Raises:
            IntegrityError: the ledger is not the one this process knew.
        """
        with transaction(self._engine, Family.LEDGER) as connection:
            self._write_cap(connection, Scope("renewal", dataset, f"{caps.renewals(connection, dataset) + 1:06}"), 0)
            head = _head(connection)
        self._saw(head)
        return head

    def spent(self, scope: Scope) -> tuple[int, int]:
        """Return what was spent of a budget in its lifetime, and its cap, in units; nothing of none."""
        with self._engine.connect() as connection:
            row = caps.find(connection, scope)
        return (0, 0) if row is None else (int(row.spent), int(row.cap))

    def balances(self, scopes: tuple[Scope, ...]) -> tuple[Balance, ...]:
        """Return how budgets stand, those that there are, in the order asked for."""
        with reading(self._engine) as connection:
            return _balances(connection, scopes)

    def head(self) -> Head:
        """Return the present state."""
        with self._engine.connect() as connection:
            return _head(connection)

    @property
    def seen(self) -> Head:
        """The newest state that this process has written or checked: what it anchors in the audit log."""
        return self._seen

    def check_anchor(self, anchor: Head) -> None:
        """Check that this ledger continues the anchored one; a longer one is fine.

        Raises:
            IntegrityError: it is older, or another.
        """
        with self._engine.connect() as connection:
            _check(connection, anchor)
        self._saw(anchor)

    def _saw(self, head: Head) -> None:
        with self._seeing:  # another thread may have committed a later one and come here first
            self._seen = max(self._seen, head, key=lambda each: each.size)

    def _write_caps(self, wanted: Mapping[Scope, int]) -> None:
        if wanted:
            with transaction(self._engine, Family.LEDGER) as connection:
                for scope, units in sorted(wanted.items()):
                    self._write_cap(connection, scope, units)

    def _write_cap(self, connection: Connection, scope: Scope, units: int) -> None:
        row = caps.find(connection, scope)
        if row is not None:
            cap = max(units, row.spent)
            connection.execute(update(LEDGER_CAPS).where(LEDGER_CAPS.c.id == row.id).values(cap=cap))
            self._append(connection, body(kind="cap", id=row.id, cap=cap))
            return
        salt = secrets.token_bytes(16)
        number = (connection.execute(select(func.max(LEDGER_CAPS.c.id))).scalar() or 0) + 1
        connection.execute(
            insert(LEDGER_CAPS).values(id=number, kind=scope.kind, subject=scope.subject, salt=salt, cap=units, spent=0)
        )
        made = commitment(salt, scope.subject)
        self._append(connection, body(kind="cap", id=number, scope=scope.kind, subject=made, cap=units))

    def _append(self, connection: Connection, text: str) -> Head:
        # What this process has seen must still be there: a file exchanged under a running broker is noticed here.
        present = _head(connection)
        if present != self._seen:
            _check(connection, self._seen)
        head = present.followed_by(text)
        _ENTRY.run(connection, seq=head.size, body=text, hash=head.hash)
        return head


def _stale(connection: Connection, wanted: Mapping[Scope, int]) -> dict[Scope, int]:
    """Return those of the budgets that are not what is wanted."""
    if not all(0 <= units <= MAX_UNITS for units in wanted.values()):
        raise BudgetError("A privacy budget is out of range. Ask a data steward to correct the policy.")
    rows = caps.rows(connection, tuple(wanted))
    return {
        scope: units
        for scope, units in wanted.items()
        if scope not in rows or rows[scope].cap != max(units, rows[scope].spent)
    }


def _balances(connection: Connection, scopes: tuple[Scope, ...]) -> tuple[Balance, ...]:
    rows = caps.rows(connection, scopes)
    renewed = {dataset: caps.renewals(connection, dataset) for dataset in {scope.dataset for scope in rows}}
    return tuple(Balance(scope, int(row.cap), int(row.spent), renewed[scope.dataset]) for scope, row in rows.items())


def _head(connection: Connection) -> Head:
    row = _NEWEST.first(connection)
    return Head() if row is None else Head(int(row.seq), str(row.hash))


def _check(connection: Connection, anchor: Head) -> None:
    if anchor.size == 0:
        return
    found = connection.execute(select(LEDGER_ENTRIES.c.hash).where(LEDGER_ENTRIES.c.seq == anchor.size)).scalar()
    if found != anchor.hash:
        raise broken(f"entry {anchor.size} is missing or another")


def _body(connection: Connection, seq: int) -> dict[str, object]:
    row = _BODY.first(connection, number=seq)
    found = json.loads(row.body) if row else {}
    return found if isinstance(found, dict) else {}


def _stored(connection: Connection, key: str) -> StoredAnswer | None:
    row = _FIRST_ANSWER.first(connection, key=key)
    if row is None:
        return None
    recorded = _body(connection, row.entry)
    if recorded.get("digest") != hashlib.sha256(row.answer).hexdigest():
        raise broken(f"the answer of entry {row.entry} is not the one that was stored")
    return StoredAnswer(int(row.entry), bytes(row.answer))


def _answered(connection: Connection, reservation: Reservation) -> bool:
    return any(
        _body(connection, int(row.entry)).get("debit") == reservation.seq
        for row in _ANSWERS.all(connection, key=reservation.key)
    )
