"""Groups whose keys are not public: a key is told only where so many people share it that noise cannot hide them.

Steps: people by key (each person counts once for a key, and for at most k keys); keys of fewer than `LEAST` people are
left out and the rest lessened by `LEAST - 1`, which moves by no more than the count itself when one person is taken
away; then OpenDP's Gaussian threshold mechanism (stability-based histogram, Korolova et al. 2009). Promises: a key of
fewer than `LEAST` people is never told; a key that only one person brings is told with at most the chance that OpenDP's
map charges as delta, which is the release's share of the lifetime delta; keys leave in their own order, never in that
of the rows; nothing here can be refused after the question is bound.

OpenDP keeps a noisy count at the threshold but charges for those above it (its report 2922): those at it are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError
from jupyter_secure.protocol.query import NEEDED, Persons, Question

from .aggregate import aggregate
from .domain import Facts, OpenFacts
from .normalise import Normal
from .predicate import OPEN
from .release import UNITS, Noise, opendp, widened
from .sensitivity import PersonsPart, sensitivity

LEAST = 10
LISTED = "Ask a data steward to list its keys in the policy."
MOST_RHO = 50  # no cap is above: epsilon is at most 50, and rho is less than epsilon


@dataclass(frozen=True, slots=True)
class Opened:
    """A bound release of open keys; it costs at most `units` of 1e-9 rho and the chance `delta`.

    Attributes:
        threshold: a lessened noisy count has to be above it.
    """

    col: str
    name: str
    k: int
    units: int
    delta: Fraction
    scale: float
    threshold: int


def bind_open(question: Question, facts: Facts, units: int) -> Opened | None:
    """Return the release, or None where all keys are public.

    Raises:
        InvalidRequestError: an open key stands beside others, or something else than persons is asked.
        BudgetError: the budget is too small for any threshold.
    """
    keys = [facts.columns[key.col] for key in question.group_by if key.col in facts.columns]
    found = next((key for key in keys if isinstance(key, OpenFacts)), None)
    if found is None:
        return None
    only = question.aggs[0]
    if len(question.group_by) > 1 or question.group_by[0].width is not None or len(question.aggs) > 1:
        raise InvalidRequestError(f"`{found.name}` has no public keys, so it stands alone. {OPEN}")
    if not isinstance(only, Persons):
        raise InvalidRequestError(f"`{found.name}` has no public keys, so rows are not counted by it. {OPEN}")
    if facts.measure == "pure":
        raise InvalidRequestError(f"`{found.name}` has no public keys, and pure epsilon tells none. {LISTED}")
    delta = found.delta * Fraction(units, MOST_RHO * UNITS)
    try:
        scale, threshold = calibrated(facts.k, units, delta)
    except ArithmeticError:
        raise BudgetError("The budget offered is too small to tell any key. Offer a larger epsilon.") from None
    return Opened(found.name, str(only.name), facts.k, units, delta, scale, threshold)


def calibrated(k: int, units: int, delta: Fraction) -> tuple[float, int]:
    """Return scale and threshold of a release that costs at most `units` and `delta`.

    Raises:
        ArithmeticError: no scale or threshold fits.
    """
    rho = Fraction(units, UNITS)
    first = math.sqrt(k / (2 * float(rho)))
    far = 2**40
    scale = widened(first, lambda scale: charged_open(scale, far, k)[0] <= rho)
    # A Gaussian exceeds s * sqrt(2 ln(k / delta)) with a chance below delta / k; OpenDP's map then finds the least.
    low, high = 0, 2 + math.ceil(scale * math.sqrt(2 * math.log(k / delta)))
    if charged_open(scale, high, k)[1] > delta:
        raise ArithmeticError("no threshold fits the delta")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if charged_open(scale, middle, k)[1] <= delta else (middle, high)
    return scale, high


def charged_open(scale: float, threshold: int, k: int) -> tuple[Fraction, Fraction]:
    """Return the rho and the delta that OpenDP's map charges for one person in at most k keys."""
    rho, delta = _mechanism(scale, threshold).map((k, sensitivity(PersonsPart(), k).l2, 1))
    if not (math.isfinite(rho) and rho > 0 and 0 <= delta <= 1):
        raise ArithmeticError("the privacy map is not a price")
    return Fraction(rho), Fraction(delta)


def answer_open(
    opened: Opened, columns: Mapping[str, Normal], used: NDArray[np.bool_]
) -> tuple[pa.Table, dict[str, float]]:
    """Return the keys that may be told, in their order, with people and margins."""
    column = columns[opened.col]
    assert column.names is not None
    used = used & ~column.null
    counts = aggregate(PersonsPart(), columns, used, column.codes, max(len(column.names), 1))
    told = release_open(counts, opened)
    names = column.names.take(pa.array(list(told), pa.int64())).cast(pa.string())
    margin = Noise(opened.scale, "zcdp").margin()
    table = pa.table(
        {
            opened.col: names,
            opened.name: pa.array(told.values(), pa.int64()),
            f"{opened.name}_margin": pa.array([margin] * len(told), pa.int64()),
        }
    )
    return table.sort_by(opened.col), {opened.name: float(margin)}


def release_open(counts: NDArray[np.int64], opened: Opened) -> dict[int, int]:
    """Return noisy counts by place, of the places that may be told; asserts the price against what was reserved.

    Raises:
        ArithmeticError: the mechanism costs more.
    """
    rho, delta = charged_open(opened.scale, opened.threshold, opened.k)
    if rho > Fraction(opened.units, UNITS) or delta > opened.delta:
        raise ArithmeticError("the mechanism costs more than was reserved")
    lessened = {int(place): int(counts[place]) - (LEAST - 1) for place in np.flatnonzero(counts >= LEAST)}
    noisy = _mechanism(opened.scale, opened.threshold)(lessened)
    return {place: count + LEAST - 1 for place, count in noisy.items() if count > opened.threshold}


def forecast_open(opened: Opened) -> dict[str, float]:
    """Return the margin, and how many people a key needs so that an even chance tells it."""
    likely = opened.threshold + LEAST
    return {
        opened.name: float(Noise(opened.scale, "zcdp").margin()),
        f"{opened.name} {NEEDED}": float(likely),
    }


def _mechanism(scale: float, threshold: int) -> Any:
    dp = opendp()
    counts = dp.map_domain(dp.atom_domain(T="i64"), dp.atom_domain(T="i64"))
    distance = dp.l02inf_distance(dp.absolute_distance(T="i64"))
    return dp.m.make_gaussian_threshold(counts, distance, scale=scale, threshold=threshold)
