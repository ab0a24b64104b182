"""Privacy budgets as whole numbers: 1 unit is 1e-9 rho of zero-concentrated differential privacy.

zCDP composes by adding (Bun and Steinke 2016, lemma 1.7), and whole numbers add without rounding. People speak of
epsilon at a delta; OpenDP's own conversion joins the two, in both directions. Promises: a budget or a cap never comes
out larger than the epsilon that was named; a spent amount is never shown smaller than it is. A question that offers the
whole cap is permitted, because caps and offers are rounded by the same rule.
"""

from __future__ import annotations

import functools
import math
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Any

from jupyter_secure.protocol.errors import InvalidRequestError

UNITS_PER_RHO = 10**9
MAX_EPSILON = 50
MAX_UNITS = 2**53 - 1
_EPSILON = re.compile(r"[0-9]{1,4}(\.[0-9]{1,9})?")
_DELTA = re.compile(r"0\.[0-9]{1,18}|[1-9](\.[0-9]{1,6})?e-[0-9]{1,2}")
_PLACES = Decimal("0.000001")


@functools.lru_cache(maxsize=1024)
def units_of(epsilon: str, delta: str) -> int:
    """Return the units that an epsilon at a delta is worth, rounded down.

    Args:
        epsilon: a decimal string, above 0 and at most 50.
        delta: a decimal string (or `1e-6`), above 0 and at most 0.001.

    Raises:
        InvalidRequestError: a number is out of range.
    """
    wanted, chance = _epsilon(epsilon), _delta(delta)
    units = 0 if _epsilon_at(1, chance) > wanted else _near(float(wanted), chance)
    shrink = 1 << 40
    # The nearness of the estimate is a convenience, this comparison is the promise.
    while units >= 1 and _epsilon_at(units, chance) > wanted:
        units -= 1 + units // shrink
        shrink = max(shrink >> 4, 2)
    if units < 1:
        raise InvalidRequestError("That epsilon is too small to buy any answer. Offer a larger one.")
    return units


@functools.lru_cache(maxsize=4096)
def epsilon_of(units: int, delta: str, *, up: bool = True) -> str:
    """Return the epsilon that some units are worth, to six places, rounded up (spent) or down (left)."""
    if units <= 0:
        return "0"
    value = Decimal(_epsilon_at(units, _delta(delta)))
    text = format(value.quantize(_PLACES, rounding=ROUND_CEILING if up else ROUND_FLOOR), "f")
    return text.rstrip("0").rstrip(".")


def _epsilon(text: str) -> Fraction:
    value = Fraction(text) if _EPSILON.fullmatch(text) else Fraction(0)
    if not 0 < value <= MAX_EPSILON:
        raise InvalidRequestError(f"`epsilon` must be a decimal number above 0 and at most {MAX_EPSILON}, such as 0.1.")
    return value


def _delta(text: str) -> float:
    value = Fraction(text) if _DELTA.fullmatch(text) else Fraction(0)
    if not 0 < value <= Fraction(1, 1000):
        raise InvalidRequestError("`delta` must be a decimal number above 0 and at most 0.001, such as 0.000001.")
    return float(value)


def _near(epsilon: float, delta: float) -> int:
    """Return units whose epsilon is very near, by secant steps in logarithms, where the curve is almost straight."""
    # Bun and Steinke 2016, proposition 1.3: epsilon = rho + 2 sqrt(rho ln(1/delta)). OpenDP's conversion is tighter.
    log = math.log(1 / delta)
    first = max((math.sqrt(log + epsilon) - math.sqrt(log)) ** 2 * UNITS_PER_RHO, 1.0)
    points = [(math.log(units), math.log(_epsilon_at(units, delta))) for units in (first, first * 1.4)]
    for _ in range(6):
        (x0, y0), (x1, y1) = points[-2:]
        if abs(y1 - math.log(epsilon)) < 1e-13 or y1 == y0:
            break
        x2 = x1 + (math.log(epsilon) - y1) * (x1 - x0) / (y1 - y0)
        points.append((x2, math.log(_epsilon_at(math.exp(x2), delta))))
    return int(math.exp(points[-1][0]))


def _epsilon_at(units: float, delta: float) -> float:
    # The map of one mechanism of scale 1: a distance d costs rho = d^2 / 2. Both steps go to the float above, so that
    # what is converted is never less than what is counted.
    rho = math.nextafter(units / UNITS_PER_RHO, math.inf)
    distance = math.nextafter(math.sqrt(2 * rho), math.inf)
    return float(_converted(delta).map(distance)[0])


@functools.lru_cache(maxsize=64)
def _converted(delta: float) -> Any:
    dp = _opendp()
    point = dp.atom_domain(T=float, nan=False), dp.absolute_distance(T=float)
    return dp.c.make_fix_delta(dp.c.make_zCDP_to_approxDP(dp.m.make_gaussian(*point, scale=1.0)), delta)


@functools.cache
def _opendp() -> Any:
    import opendp.prelude as dp

    dp.enable_features("contrib")
    return dp
