"""A choice among candidates by OpenDP's noisy maximum: the place of the best one leaves, and no score.

The first scale is k / sqrt(2 rho), widened until the mechanism's own map says at most the budget, as in `release`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from .release import UNITS_PER_RHO, opendp, widened


def noisy_max(k: int, units: int) -> Any:
    """Return a mechanism that picks the largest of integers that a person moves by at most k each, for `units`.

    Raises:
        ArithmeticError: no scale fits the budget.
    """
    budget = Fraction(units, UNITS_PER_RHO)
    scale = widened(choice_scale(k, units), lambda scale: Fraction(_maximum(scale).map(k)) <= budget)
    return _maximum(scale)


def choice_scale(k: int, units: int) -> float:
    """Return about how far the score of what is picked lies below the best."""
    return k / math.sqrt(2 * units / UNITS_PER_RHO)


def _maximum(scale: float) -> Any:
    dp = opendp()
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    return dp.m.make_noisy_max(domain, dp.linf_distance(T="i64"), dp.zero_concentrated_divergence(), scale=scale)
