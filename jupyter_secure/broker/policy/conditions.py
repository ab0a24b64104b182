"""Which conditions of a rule do not hold now, each with what the person can do about it.

An unknown second factor, an instant outside the validity and a purpose that was not stated all fail. Sentences name
what the rule needs and what is there; they are shown only to people whom the rule addresses.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from .ask import Ask
from .rules import When


class Failure(NamedTuple):
    """One condition that does not hold."""

    condition: str
    advice: str


def failures(when: When, ask: Ask, zone: dt.tzinfo) -> list[Failure]:
    """Return every condition of a rule that fails; an empty list means that the rule applies."""
    failed = []
    context = ask.context
    if when.purpose is not None and ask.purpose not in when.purpose:
        failed.append(_purpose(when.purpose, ask.purpose))
    if when.guard is not None and not context.guard.reaches(when.guard):
        failed.append(Failure("guard", f"This needs guard {when.guard}; this kernel is {context.guard}."))
    if when.mfa_max_age is not None and not _fresh(when.mfa_max_age, ask.principal.mfa_at, context.now_ms // 1000):
        failed.append(
            Failure("mfa_max_age", f"This needs a second factor verified in the last {_span(when.mfa_max_age)}.")
        )
    if when.hours is not None and not _within(when.hours, context.now_ms, zone):
        first, last = when.hours
        failed.append(Failure("hours", f"This is possible from {first}:00 to {last}:00, {zone} time."))
    if when.valid_from is not None and context.now_ms < when.valid_from:
        failed.append(Failure("valid_from", f"This is possible from {_day(when.valid_from, zone)} on."))
    if when.valid_until is not None and context.now_ms >= when.valid_until:
        failed.append(Failure("valid_until", f"This ended on {_day(when.valid_until - 1, zone)}; ask a data steward."))
    return failed


def _purpose(needed: tuple[str, ...], stated: str | None) -> Failure:
    names = " or ".join(needed)
    said = f"not {stated}" if stated else "and none was stated"
    return Failure("purpose", f"This needs purpose {names}, {said}: `--purpose {needed[0]}`.")


def _fresh(limit: int, verified: int | None, now: int) -> bool:
    # A verification in the future means that a clock is wrong: not fresh.
    return verified is not None and 0 <= now - verified <= limit


def _within(hours: tuple[int, int], now_ms: int, zone: dt.tzinfo) -> bool:
    first, last = hours
    hour = dt.datetime.fromtimestamp(now_ms / 1000, zone).hour
    return first <= hour < last if first < last else hour >= first or hour < last


def _span(seconds: int) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds % length == 0 and seconds >= length:
            return f"{seconds // length} {unit if seconds > length else unit[:-1]}"
    return f"{seconds} seconds"


def _day(instant: int, zone: dt.tzinfo) -> str:
    return dt.datetime.fromtimestamp(instant / 1000, zone).date().isoformat()
