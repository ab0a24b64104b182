"""The only exit: integers leave with discrete Gaussian noise from OpenDP, and OpenDP's own privacy map is the judge.

Steps of `gaussian`: a first scale from the textbook (Bun and Steinke 2016, proposition 1.6: rho = d^2 / 2 s^2); widen
it until the mechanism's map says at most the budget; assert the map again, exactly, before noise is drawn. Noise comes
from the operating system; there is no seed. The features `honest-but-curious` and `idealized-numerics` stay off.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

UNITS_PER_RHO = 10**9
ALPHA = 0.05  # margins of error hold with 95 %
KNOWN = 256  # mechanisms and margins that are found once; most questions offer what an earlier one did


@dataclass(frozen=True, slots=True)
class Noise:
    """A mechanism, how widely it spreads, and the half-width that a margin of `1 - alpha` needs (an integer)."""

    mechanism: Any
    scale: float

    def margin(self, alpha: float = ALPHA) -> int:
        """Return m with P(|noise| <= m) >= 1 - alpha."""
        return _margin(self.scale, alpha)


@functools.lru_cache(maxsize=KNOWN)
def gaussian(l2: int, units: int) -> Noise:
    """Return a mechanism for integer vectors of L2 sensitivity `l2` that costs at most `units` of 1e-9 rho.

    Raises:
        ArithmeticError: no scale was found whose map stays within the budget.
    """
    if l2 < 1 or units < 1:
        raise ArithmeticError("a release needs a positive sensitivity and budget")
    budget = Fraction(units, UNITS_PER_RHO)
    distance = _upwards(l2)
    first = distance / math.sqrt(2 * float(budget))
    scale = widened(first, lambda scale: charged(Noise(_mechanism(scale), scale), l2) <= budget)
    return Noise(_mechanism(scale), scale)


def widened(scale: float, fits: Callable[[float], bool]) -> float:
    """Return the least of a few slightly larger scales that fits.

    Raises:
        ArithmeticError: none of them does.
    """
    step = 1e-15
    for _ in range(20):
        if fits(scale):
            return scale
        scale *= 1 + step
        step *= 4
    raise ArithmeticError("no scale fits the budget")


def charged(noise: Noise, l2: int) -> Fraction:
    """Return the rho that OpenDP's map charges, exactly as the float it returned."""
    loss = float(noise.mechanism.map(_upwards(l2)))
    if not math.isfinite(loss) or loss <= 0:
        raise ArithmeticError("the privacy map is not a positive number")
    return Fraction(loss)


def release(exact: list[int], noise: Noise, l2: int, units: int) -> list[int]:
    """Return the noisy vector, having asserted what it costs against what was reserved for it.

    Raises:
        ArithmeticError: the mechanism costs more than `units`.
    """
    if charged(noise, l2) > Fraction(units, UNITS_PER_RHO):
        raise ArithmeticError("the mechanism costs more than was reserved")
    return [int(value) for value in noise.mechanism(exact)]


@functools.lru_cache(maxsize=KNOWN)
def _margin(scale: float, alpha: float) -> int:
    dp = opendp()
    if scale < 1000:
        # OpenDP answers the least a with P(|noise| >= a) <= alpha; noise is an integer.
        least = int(dp.discrete_gaussian_scale_to_accuracy(scale, alpha))
        return max(least - 1, 0)
    return math.ceil(float(dp.gaussian_scale_to_accuracy(scale, alpha))) + 1


def _upwards(whole: int) -> float:
    near = float(whole)
    return near if int(near) >= whole else math.nextafter(near, math.inf)


def _mechanism(scale: float) -> Any:
    dp = opendp()
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    return dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=scale)


@functools.cache
def opendp() -> Any:
    """Return the library, with nothing unproved switched on."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    return dp
