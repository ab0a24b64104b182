"""Which approved requests count for a rule, and what a person may ask for at all. Pure, like all of policy.

An approval counts while all of this holds: it is the person's own, approved, for this dataset, rung and purpose, for
this rule as it reads now, not over by its own end, and not over by the longest time that the policy gives now. A
clock that says less than when it was decided is wrong, so nothing counts.
"""

from __future__ import annotations

from jupyter_secure.protocol.access import DAY, AccessRequest, RequestState
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung

from .ask import Ask
from .policy import Policy
from .rules import Rule, rule_digest


def counts(request: AccessRequest, rule: Rule, digest: str, longest: int, ask: Ask) -> bool:
    """Say whether a request opens a rule, whatever purpose is stated; `longest` in days."""
    return (
        request.state is RequestState.APPROVED
        and request.user == ask.principal.name
        and request.dataset == ask.dataset.name
        and request.rung is rule.rung
        and request.rules.get(rule.id) == digest
        and request.decided is not None
        and request.until is not None
        and request.decided <= ask.context.now_ms < min(request.until, request.decided + longest * DAY)
    )


def requestable(policy: Policy, principal: Principal, dataset: str, now_ms: int) -> list[Rule]:
    """Return the rules that would give a person something of a dataset once somebody approved it, highest rung first.

    Other conditions are left aside: they are asked when the approval is used.
    """
    if dataset not in policy.datasets:
        return []
    found = [
        rule
        for rule in policy.terms.rules
        if rule.when.approval
        and rule.rung is not Rung.DENY
        and rule.names(dataset)
        and rule.addresses(principal)
        and (rule.when.valid_until is None or now_ms < rule.when.valid_until)
    ]
    return sorted(found, key=lambda rule: -rule.rung.height)


def stands(policy: Policy, request: AccessRequest) -> bool:
    """Say whether any rule that the request is about still reads as it did."""
    now = {rule.id: rule for rule in policy.terms.rules}
    return request.dataset in policy.datasets and any(
        name in now and rule_digest(now[name]) == digest for name, digest in request.rules.items()
    )
