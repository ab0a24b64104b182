"""What is left to spend on private questions, and a word in time when it gets little.

Promises: a warning comes before the question that reaches into the last quarter, or the last tenth, of a budget, as far
as questions cost about the same; how much is left after it is an estimate, and nothing is decided by it.
"""

from __future__ import annotations

import math

from jupyter_secure.protocol.messages import Gauge

WHOSE = {
    "person": "yours",
    "dataset": "all people together",
    "project": "this project",
    "notebook": "this notebook, as you said",
}
LOW = (0.25, 0.1)  # shares of a budget that are worth a word when no more is left


class BudgetWarning(UserWarning):
    """Little is left to spend on private questions."""


def left_of(gauge: Gauge) -> float:
    """Return the share of a budget that is left, 1 where it is not told."""
    return left_after(gauge, "0")


def left_after(gauge: Gauge, cost: str) -> float:
    """Return about the share of a budget that is left after one more question, 1 where it is not told."""
    if gauge.spent is None:
        return 1.0
    return 1 - _together(float(gauge.spent), float(cost), float(gauge.delta)) / float(gauge.cap)


def running_out(gauge: Gauge) -> str:
    """Say how little is left."""
    return (
        f"{left_of(gauge):.0%} of {_whose(gauge)} is left: epsilon {gauge.spent} of {gauge.cap} is "
        "spent. Every new question spends from it; repeats of earlier ones are free."
    )


def warning(gauge: Gauge, cost: str, *, preview: bool, said: set[tuple[str, float]]) -> str:
    """Return what is to be said of a budget now, empty if nothing; what was `said` is not said again.

    Args:
        gauge: as it is now.
        cost: epsilon of the question that was answered, or that is previewed.
        preview: whether it is.
        said: scopes and shares; added to.
    """
    after = left_after(gauge, cost)
    new = [share for share in LOW if after <= share and (gauge.scope, share) not in said]
    if not new:
        return ""
    said.update((gauge.scope, share) for share in new)
    if left_of(gauge) <= new[0]:
        return running_out(gauge)
    which = "this question" if preview else "one more question like this"
    return (
        f"After {which}, {max(after, 0):.0%} of {_whose(gauge)} is left: epsilon {gauge.spent} of {gauge.cap} is "
        "spent now. Repeats of earlier questions are free."
    )


def _whose(gauge: Gauge) -> str:
    whose = "your budget" if gauge.scope == "person" else f"the budget ({WHOSE[gauge.scope]})"
    return f"{whose} for `{gauge.dataset}`"


def _together(first: float, second: float, delta: float) -> float:
    """Return about the epsilon of two spendings: their rho adds up, and without a delta epsilon itself does.

    Source: Bun and Steinke 2016, proposition 1.3: epsilon = rho + 2 sqrt(rho ln(1 / delta)).
    """
    if delta == 0 or second == 0:  # exactly
        return first + second
    log = math.log(1 / delta)
    rho = sum((math.sqrt(log + epsilon) - math.sqrt(log)) ** 2 for epsilon in (first, second))
    return rho + 2 * math.sqrt(rho * log)
