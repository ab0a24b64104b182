"""Privacy budgets as whole numbers: 1 unit is 1e-9 rho of zero-concentrated differential privacy, or 1e-9 epsilon.

Which of both is the dataset's measure; under pure epsilon, which has `PURE` for a delta, epsilons add up as they are.
zCDP composes by adding (Bun and Steinke 2016, lemma 1.7), and whole numbers add without rounding. People speak of
epsilon at a delta; OpenDP's own conversion joins the two, in both directions. Promises: a budget or a cap never comes
out larger than the epsilon that was named; a spent amount is never shown smaller than it is. A question that offers the
whole cap is permitted, because caps and offers are rounded by the same rule.

Each number is first estimated here and then judged by OpenDP: it says which delta some units cost at an epsilon, twenty
times faster than it finds the epsilon itself, and two new epsilons are shown with every answer.
"""

from __future__ import annotations

import functools
import math
import re
from bisect import bisect_right
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Any

from jupyter_secure.protocol.errors import InvalidRequestError

UNITS_PER_RHO = 10**9
UNITS_PER_EPSILON = 10**9
PURE = "pure"  # stands where a delta would; no number does, so that no slip turns one measure into the other
MAX_EPSILON = 50
MAX_UNITS = 2**53 - 1
_EPSILON = re.compile(r"[0-9]{1,4}(\.[0-9]{1,9})?")
_DELTA = re.compile(r"0\.[0-9]{1,18}|[1-9](\.[0-9]{1,6})?e-[0-9]{1,2}")
_STEP = Decimal("0.000001")
_HALVINGS = 64  # of an interval of floats: more change nothing


@functools.lru_cache(maxsize=1024)
def units_of(epsilon: str, delta: str) -> int:
    """Return the units that an epsilon at a delta is worth, rounded down.

    Args:
        epsilon: a decimal string, above 0 and at most 50.
        delta: a decimal string (or `1e-6`), above 0 and at most 0.001; or `PURE`.

    Raises:
        InvalidRequestError: a number is out of range.
    """
    wanted = _epsilon(epsilon)
    if delta == PURE:
        return int(wanted * UNITS_PER_EPSILON)  # whole: epsilons have nine places at most
    chance = _delta(delta)
    units = bisect_right(range(1, MAX_UNITS), float(wanted), key=lambda units: _estimate(units, chance))
    shrink = 1 << 40
    # The nearness of the estimate is a convenience, this comparison is the promise.
    while units >= 1 and not _covers(wanted, _curve(units), chance):
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
    if delta == PURE:
        shown = (Decimal(units) / UNITS_PER_EPSILON).quantize(_STEP, ROUND_CEILING if up else ROUND_FLOOR)
    else:
        shown = _least(units, _delta(delta)) if up else _most(units, _delta(delta))
    text = format(shown, "f")
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


def _least(units: int, delta: float) -> Decimal:
    """Return an epsilon of six places that covers some units, the least as far as the estimate can tell."""
    near, curve = _to_places(_estimate(units, delta)), _curve(units)
    return near if _covers(Fraction(near), curve, delta) else _to_places(float(curve.epsilon(delta)))


def _most(units: int, delta: float) -> Decimal:
    """Return an epsilon of six places that some units more than cover, a step below the least that covers them."""
    near, curve = max(_to_places(_estimate(units, delta)), _STEP) - _STEP, _curve(units)
    if not _covers(Fraction(near), curve, delta):
        return near
    return max(_to_places(float(curve.epsilon(delta))), _STEP) - _STEP


def _to_places(epsilon: float) -> Decimal:
    return Decimal(epsilon).quantize(_STEP, rounding=ROUND_CEILING)


def _estimate(units: int, delta: float) -> float:
    """Return about the epsilon of some units (Canonne, Kamath and Steinke 2020, proposition 12); OpenDP judges it."""
    rho, log = units / UNITS_PER_RHO, math.log(1 / delta)
    # The order a that serves best is where the derivative is zero: (a - 1)^2 rho = ln(1 / (a delta)).
    low, high = 0.0, math.sqrt(log / rho)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * middle * rho + math.log1p(middle) < log else (low, middle)
    return max(0.0, rho * (1 + high) + (log - math.log1p(high)) / high - math.log1p(1 / high))


def _covers(epsilon: Fraction, curve: Any, delta: float) -> bool:
    """Say whether a curve costs at most `delta` at an epsilon, which is brought to the float below it."""
    near = float(epsilon)
    if Fraction(near) > epsilon:
        near = math.nextafter(near, -math.inf)
    return near >= 0 and float(curve.delta(near)) <= delta


def _curve(units: int) -> Any:
    """Return what OpenDP says of some units: a delta for each epsilon."""
    # The map of one mechanism of scale 1: a distance d costs rho = d^2 / 2. Both steps go to the float above, so that
    # what is converted is never less than what is counted.
    rho = math.nextafter(units / UNITS_PER_RHO, math.inf)
    return _converted().map(math.nextafter(math.sqrt(2 * rho), math.inf))


@functools.cache
def _converted() -> Any:
    # Not by way of `opendp.prelude`, which loads scikit-learn and SciPy too where they are installed.
    import opendp.combinators as c
    import opendp.measurements as m
    from opendp.domains import atom_domain
    from opendp.metrics import absolute_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    point = atom_domain(T=float, nan=False), absolute_distance(T=float)
    return c.make_zCDP_to_approxDP(m.make_gaussian(*point, scale=1.0))
