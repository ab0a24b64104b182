"""Which conditions of a rule do not hold now, each with what the person can do about it.

An unknown second factor, an instant outside the validity and a purpose that was not stated all fail. A purpose whose
text the person did not acknowledge opens no permit at all; a deny rule goes by what was stated. Sentences name what the
rule needs and what is there; they are shown only to people whom the rule addresses.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from jupyter_secure.protocol.view import Rung

from .approvals import counts
from .ask import Ask
from .plan import RulePlan
from .policy import Policy


class Failure(NamedTuple):
    """One condition that does not hold."""

    condition: str
    advice: str


def failures(policy: Policy, item: RulePlan, ask: Ask) -> list[Failure]:
    """Return every condition of a rule that fails; an empty list means that the rule applies."""
    failed = []
    context, zone = ask.context, policy.zone
    rule, when = item.rule, item.rule.when
    if when.purpose is not None and ask.purpose not in when.purpose:
        failed.append(_purpose(when.purpose, ask.purpose))
    if ask.purpose in policy.texts and rule.rung is not Rung.DENY and not _acknowledged(policy, ask):
        failed.append(_acknowledge(str(ask.purpose)))
    if when.approval and (missing := _approval(policy, item, ask)):
        failed.append(missing)
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
    if unsaid := [name for name in item.attributes if not policy.own_values(name, ask.principal)]:
        failed.append(Failure("attribute", f"This needs a role that says your {unsaid[0]}; ask a data steward."))
    if when.valid_until is not None and context.now_ms >= when.valid_until:
        failed.append(Failure("valid_until", f"This ended on {_day(when.valid_until - 1, zone)}; ask a data steward."))
    return failed


def told_alone(failed: list[Failure]) -> Failure | None:
    """Return the one thing that the person is to do, None if there are several.

    A request for access names a purpose and asks for its acknowledgement, so it stands for all three.
    """
    request = next((it for it in failed if it.condition == "approval"), None)
    if request is not None:
        failed = [it for it in failed if it.condition not in {"purpose", "acknowledge"}]
    return failed[0] if len(failed) == 1 else None


def _purpose(needed: tuple[str, ...], stated: str | None) -> Failure:
    names = " or ".join(needed)
    said = f"not {stated}" if stated else "and none was stated"
    return Failure("purpose", f"This needs purpose {names}, {said}: `--purpose {needed[0]}`.")


def _acknowledged(policy: Policy, ask: Ask) -> bool:
    purpose = str(ask.purpose)
    return ask.context.acknowledged.get(purpose) == policy.texts[purpose]


def _acknowledge(purpose: str) -> Failure:
    return Failure("acknowledge", f"Purpose {purpose} has terms: read and acknowledge them in the Secure Data sidebar.")


def _approval(policy: Policy, item: RulePlan, ask: Ask) -> Failure | None:
    rule = item.rule
    longest = policy.datasets[ask.dataset.name].longest
    counting = [it for it in ask.context.approvals if counts(it, rule, item.digest, longest, ask)]
    if any(it.purpose == ask.purpose for it in counting):
        return None
    if counting:
        purpose = counting[0].purpose
        how = f"`--purpose {purpose}`" if purpose else "leave `--purpose` out"
        return Failure("approval", f"Your approval is for {purpose or 'no purpose'}: {how}.")
    needed = rule.when.purpose
    purpose = ask.purpose if needed is None or ask.purpose in needed else needed[0]
    option = f" --purpose {purpose}" if purpose else ""
    line = f'%secure_request {ask.dataset.name} --as {rule.rung}{option} --reason "..." --days {min(7, longest)}'
    return Failure("approval", f"A data steward can approve this: ask for access with `{line}`.")


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
