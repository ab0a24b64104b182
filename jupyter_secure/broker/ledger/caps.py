"""The rows of budgets, inside somebody's transaction: found, needed, spent from.

Promise: a cap is raised only if it stays within its bound, by a conditional UPDATE; a refusal names no amount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, or_, select, update

from jupyter_secure.broker.store.tables.ledger import LEDGER_CAPS
from jupyter_secure.protocol.errors import BudgetError

from .scope import Scope

if TYPE_CHECKING:
    from sqlalchemy import Connection

_CAPS = LEDGER_CAPS.c


def rows(connection: Connection, scopes: tuple[Scope, ...]) -> dict[Scope, Any]:
    """Return the rows of those budgets that there are, in the order asked for."""
    which = or_(*(and_(_CAPS.kind == scope.kind, _CAPS.subject == scope.subject) for scope in scopes))
    query = select(_CAPS.kind, _CAPS.subject, _CAPS.id, _CAPS.cap, _CAPS.spent).where(which)
    found = {(row.kind, row.subject): row for row in connection.execute(query)} if scopes else {}
    return {scope: found[scope.kind, scope.subject] for scope in scopes if (scope.kind, scope.subject) in found}


def find(connection: Connection, scope: Scope) -> Any:
    """Return the row of a budget, None where there is none."""
    return rows(connection, (scope,)).get(scope)


def need(connection: Connection, scope: Scope) -> int:
    """Return the number of a budget.

    Raises:
        BudgetError: nobody has set it.
    """
    row = find(connection, scope)
    if row is None:
        raise BudgetError(
            f"No privacy budget ({scope.whose}) has been set for `{scope.dataset}`. Ask a data steward to set one."
        )
    return int(row.id)


def spend(connection: Connection, scope: Scope, number: int, units: int) -> None:
    """Spend from a budget.

    Raises:
        BudgetError: there is not so much left.
    """
    spent = connection.execute(
        update(LEDGER_CAPS)
        .where(_CAPS.id == number, _CAPS.spent + units <= _CAPS.cap)
        .values(spent=_CAPS.spent + units)
    )
    if spent.rowcount != 1:
        raise BudgetError(
            f"The privacy budget of `{scope.dataset}` ({scope.whose}) does not allow that question. "
            "Offer a smaller epsilon, or ask a data steward."
        )


def renewals(connection: Connection, dataset: str) -> int:
    """Return how often the budgets of a dataset were renewed."""
    named = _CAPS.subject.startswith(Scope("renewal", dataset).subject, autoescape=True)  # whatever the collation is
    return int(connection.execute(select(func.count()).where(_CAPS.kind == "renewal", named)).scalar_one())
