"""The rows of budgets, inside somebody's transaction: found, needed, spent from.

Promise: a cap is raised only if it stays within its bound, by a conditional UPDATE; a refusal names no amount.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, func, or_, select, update

from jupyter_secure.broker.store.prepared import Prepared, PreparedWrite
from jupyter_secure.broker.store.tables.ledger import LEDGER_CAPS
from jupyter_secure.protocol.errors import BudgetError

from .scope import Scope

if TYPE_CHECKING:
    from sqlalchemy import Connection

_CAPS = LEDGER_CAPS.c
_SPEND = PreparedWrite(
    update(LEDGER_CAPS)
    .where(_CAPS.id == bindparam("number"), _CAPS.spent + bindparam("units") <= _CAPS.cap)
    .values(spent=_CAPS.spent + bindparam("units"))
)


def rows(connection: Connection, scopes: tuple[Scope, ...]) -> dict[Scope, Any]:
    """Return the rows of those budgets that there are, in the order asked for."""
    which = {
        f"{name}{place}": getattr(scope, name) for place, scope in enumerate(scopes) for name in ("kind", "subject")
    }
    found = {(row.kind, row.subject): row for row in _named(len(scopes)).all(connection, **which)} if scopes else {}
    return {scope: found[scope.kind, scope.subject] for scope in scopes if (scope.kind, scope.subject) in found}


@functools.cache
def _named(count: int) -> Prepared:
    """Return the query for so many budgets, made once: making it costs more than running it."""
    which = or_(
        *(
            and_(_CAPS.kind == bindparam(f"kind{place}"), _CAPS.subject == bindparam(f"subject{place}"))
            for place in range(count)
        )
    )
    return Prepared(select(_CAPS.kind, _CAPS.subject, _CAPS.id, _CAPS.cap, _CAPS.spent).where(which))


def find(connection: Connection, scope: Scope) -> Any:
    """Return the row of a budget, None where there is none."""
    return rows(connection, (scope,)).get(scope)


def numbers(connection: Connection, needed: tuple[Scope, ...], also: tuple[Scope, ...] = ()) -> dict[Scope, int]:
    """Return the numbers of budgets, in their order; those of `also` only where somebody has set them.

    Raises:
        BudgetError: nobody has set one of the others.
    """
    found = rows(connection, tuple(sorted({*needed, *also})))
    for scope in sorted(set(needed) - set(found)):
        raise BudgetError(
            f"No privacy budget ({scope.whose}) has been set for `{scope.dataset}`. Ask a data steward to set one."
        )
    return {scope: int(row.id) for scope, row in found.items()}


def spend(connection: Connection, scope: Scope, number: int, units: int) -> None:
    """Spend from a budget.

    Raises:
        BudgetError: there is not so much left.
    """
    if _SPEND.run(connection, number=number, units=units) != 1:
        raise BudgetError(
            f"The privacy budget of `{scope.dataset}` ({scope.whose}) does not allow that question. "
            "Offer a smaller epsilon, or ask a data steward."
        )


def renewals(connection: Connection, dataset: str) -> int:
    """Return how often the budgets of a dataset were renewed."""
    return int(_renewals(dataset).first(connection).number)


@functools.lru_cache(maxsize=256)
def _renewals(dataset: str) -> Prepared:
    named = _CAPS.subject.startswith(Scope("renewal", dataset).subject, autoescape=True)  # whatever the collation is
    return Prepared(select(func.count().label("number")).where(_CAPS.kind == "renewal", named))
