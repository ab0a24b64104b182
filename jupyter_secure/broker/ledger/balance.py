"""How a budget stands, and what of it is told to whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jupyter_secure.protocol.messages import Gauge

from .accountant import epsilon_of
from .scope import Scope


@dataclass(frozen=True, slots=True)
class Balance:
    """One budget as it was at one moment, in units; `renewed` counts the renewals of its dataset."""

    scope: Scope
    cap: int
    spent: int
    renewed: int

    def gauge(self, delta: str) -> Gauge | None:
        """Return what is told; of the mark of a renewal nothing.

        Of a dataset and a project that is the cap alone, as the rest would show what others spent. `remaining` is the
        largest epsilon that one more question could cost; epsilons do not add up, rho does.
        """
        kind = self.scope.kind
        if kind == "renewal":
            return None
        own = kind in ("person", "notebook")
        return Gauge(
            dataset=self.scope.dataset,
            scope=kind,
            cap=epsilon_of(self.cap, delta),
            spent=epsilon_of(self.spent, delta) if own else None,
            remaining=epsilon_of(self.cap - self.spent, delta, up=False) if own else None,
            delta=delta,
            renewed=self.renewed,
        )


def gauges_of(balances: Iterable[Balance], delta: str) -> tuple[Gauge, ...]:
    """Return the gauges of budgets."""
    return tuple(gauge for balance in balances if (gauge := balance.gauge(delta)) is not None)
