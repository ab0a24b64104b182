"""How two arms are compared: in turn, in changing order, by the median of the ratios of pairs.

An arm that always follows a hungrier one looks slower than it is, and the speed of a machine drifts; pairs feel both
alike. The first pair warms up and is thrown away.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable

Arm = Callable[[], float]  # does the work once and returns the seconds it took


def pairs(baseline: Arm, subject: Arm, rounds: int) -> list[tuple[float, float]]:
    """Return (baseline, subject) in seconds for each round."""
    found = []
    for turn in range(rounds + 1):
        times = {}
        for arm in (baseline, subject) if turn % 2 else (subject, baseline):
            gc.collect()
            times[arm] = arm()
        found.append((times[baseline], times[subject]))
    return found[1:]


def ratio_figure(name: str, found: list[tuple[float, float]], limit: float) -> dict[str, object]:
    """Return an entry of `build/bench.json` whose limit is on the ratio."""
    entry = _entry(name, found)
    return {**entry, "limit": limit, "over": entry["ratio"] > limit}


def time_figure(name: str, found: list[tuple[float, float]], limit: float) -> dict[str, object]:
    """Return an entry of `build/bench.json` whose limit is on the subject's seconds."""
    entry = _entry(name, found)
    return {**entry, "limit": limit, "over": entry["value"] > limit}


def _entry(name: str, found: list[tuple[float, float]]) -> dict[str, object]:
    return {
        "name": name,
        "value": round(statistics.median(subject for _, subject in found), 4),
        "unit": "s",
        "baseline": round(statistics.median(baseline for baseline, _ in found), 4),
        "ratio": round(statistics.median(subject / baseline for baseline, subject in found), 3),
    }
