"""The only exit: integers leave with discrete noise from OpenDP, and OpenDP's own privacy map is the judge.

What a release may cost is a `Price` in the measure of its dataset. Under zCDP noise is Gaussian, for vectors of bounded
L2 sensitivity; under pure epsilon it is Laplace, for those of bounded L1. Steps of `noise_for`: a first scale from the
textbook (rho = d^2 / 2 s^2, Bun and Steinke 2016, proposition 1.6; epsilon = d / s, Dwork et al. 2006); widen it until
the mechanism's map says at most the price; assert the map again, exactly, before noise is drawn. Noise comes from the
operating system; there is no seed. The features `honest-but-curious` and `idealized-numerics` stay off.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jupyter_secure.protocol.dataset import Measure

from .sensitivity import Sensitivity

UNITS = 10**9  # of a rho, or of an epsilon
ALPHA = 0.05  # margins of error hold with 95 %
PIECE = 1 << 12  # numbers; their noise takes longer, about 50 ms, than it takes to hand them to a thread
KNOWN = 256  # mechanisms and margins that are found once; most questions offer what an earlier one did
# Half-widths that hold 95 % of one draw of scale 1. Of a sum of draws they hold no less, times the root of the number.
WIDE = {"zcdp": 1.96, "pure": math.log(1 / ALPHA)}
# How large one draw of scale 1 is, on the average.
LARGE = {"zcdp": math.sqrt(2 / math.pi), "pure": 1.0}


@dataclass(frozen=True, slots=True)
class Price:
    """What a release may cost: so many 1e-9 of a rho (zCDP), or of an epsilon (pure)."""

    units: int
    measure: Measure

    @property
    def whole(self) -> Fraction:
        """Return the rho, or the epsilon."""
        return Fraction(self.units, UNITS)

    def part(self, parts: int) -> Price:
        """Return one of so many equal parts, rounded down."""
        return Price(self.units // parts, self.measure)

    def times(self, number: int) -> Price:
        """Return the price of so many at this one."""
        return Price(self.units * number, self.measure)


@dataclass(frozen=True, slots=True)
class Noise:
    """How noise spreads."""

    scale: float
    measure: Measure

    def margin(self, alpha: float = ALPHA) -> int:
        """Return m with P(|noise| <= m) >= 1 - alpha, an integer."""
        return _margin(self, alpha)

    def margin_of_sum(self, draws: float) -> float:
        """Return the half-width that holds the sum of so many draws with 95 %."""
        return WIDE[self.measure] * self.scale * math.sqrt(draws)

    @property
    def usual(self) -> float:
        """Return how large a draw is on the average."""
        return LARGE[self.measure] * self.scale


@functools.lru_cache(maxsize=KNOWN)
def noise_for(sensitivity: Sensitivity, price: Price) -> Noise:
    """Return the noise for integer vectors of a sensitivity that costs at most a price.

    Raises:
        ArithmeticError: no scale was found whose map stays within the price.
    """
    if min(sensitivity.l1, sensitivity.l2, price.units) < 1:
        raise ArithmeticError("a release needs a positive sensitivity and budget")
    near, measure = float(price.whole), price.measure
    distance = _distance(sensitivity, measure)
    first = distance / (near if measure == "pure" else math.sqrt(2 * near))
    scale = widened(first, lambda scale: charged(Noise(scale, measure), sensitivity) <= price.whole)
    return Noise(scale, measure)


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


def charged(noise: Noise, sensitivity: Sensitivity) -> Fraction:
    """Return the rho, or the epsilon, that OpenDP's map charges, exactly as the float it returned."""
    loss = float(_mechanism(noise.scale, noise.measure).map(_distance(sensitivity, noise.measure)))
    if not math.isfinite(loss) or loss <= 0:
        raise ArithmeticError("the privacy map is not a positive number")
    return Fraction(loss)


def release(exact: NDArray[np.int64], noise: Noise, sensitivity: Sensitivity, price: Price) -> NDArray[np.int64]:
    """Return the noisy vector, having asserted what it costs against what was reserved for it.

    Noise is drawn for each number by itself, so a long vector is drawn in pieces, side by side: its law is the same,
    and what is asserted is what the whole costs.

    Raises:
        ArithmeticError: the mechanism costs more, or in another measure.
    """
    if noise.measure != price.measure or charged(noise, sensitivity) > price.whole:
        raise ArithmeticError("the mechanism costs more than was reserved")
    mechanism = _mechanism(noise.scale, noise.measure)
    if len(exact) <= PIECE:
        return np.array(mechanism(exact), dtype=np.int64)
    pieces = [exact[start : start + PIECE] for start in range(0, len(exact), PIECE)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return np.concatenate([np.array(noisy, dtype=np.int64) for noisy in threads.map(mechanism, pieces)])


@functools.lru_cache(maxsize=KNOWN)
def _margin(noise: Noise, alpha: float) -> int:
    dp, scale = opendp(), noise.scale
    if noise.measure == "pure":
        return max(math.ceil(float(dp.discrete_laplacian_scale_to_accuracy(scale, alpha))) - 1, 0)
    if scale < 1000:
        # OpenDP answers the least a with P(|noise| >= a) <= alpha; noise is an integer.
        least = int(dp.discrete_gaussian_scale_to_accuracy(scale, alpha))
        return max(least - 1, 0)
    return math.ceil(float(dp.gaussian_scale_to_accuracy(scale, alpha))) + 1


def _distance(sensitivity: Sensitivity, measure: Measure) -> float:
    whole = sensitivity.l1 if measure == "pure" else sensitivity.l2
    near = float(whole)
    return near if int(near) >= whole else math.nextafter(near, math.inf)


@functools.lru_cache(maxsize=KNOWN)
def _mechanism(scale: float, measure: Measure) -> Any:
    dp = opendp()
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if measure == "pure":
        return dp.m.make_laplace(domain, dp.l1_distance(T=float), scale=scale)
    return dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=scale)


@functools.cache
def opendp() -> Any:
    """Return the library, when it is first needed."""
    from . import mechanisms

    return mechanisms
