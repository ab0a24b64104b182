"""A choice among candidates by OpenDP's noisy maximum: the place of the best one leaves, and no score.

The first scale is k / sqrt(2 rho), under pure epsilon 2 k / epsilon, widened until the mechanism's own map says at most
the price, as in `release`.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

from jupyter_secure.protocol.dataset import Measure

from .release import KNOWN, Price, opendp, widened


@functools.lru_cache(maxsize=KNOWN)
def noisy_max(k: int, price: Price) -> Any:
    """Return a mechanism that picks the largest of integers that a person moves by at most k each.

    Raises:
        ArithmeticError: no scale fits the price.
    """
    measure = price.measure
    scale = widened(choice_scale(k, price), lambda scale: Fraction(_maximum(scale, measure).map(k)) <= price.whole)
    return _maximum(scale, measure)


def choice_scale(k: int, price: Price) -> float:
    """Return about how far the score of what is picked lies below the best."""
    near = float(price.whole)
    return 2 * k / near if price.measure == "pure" else k / math.sqrt(2 * near)


def _maximum(scale: float, measure: Measure) -> Any:
    dp = opendp()
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    loss = dp.max_divergence() if measure == "pure" else dp.zero_concentrated_divergence()
    return dp.m.make_noisy_max(domain, dp.linf_distance(T="i64"), loss, scale=scale)
