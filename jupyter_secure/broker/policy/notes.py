"""What is probably not meant in a policy that is valid all the same."""

from __future__ import annotations

from jupyter_secure.protocol.view import Rung

from .policy import Policy
from .rules import Rule


def notes(policy: Policy) -> tuple[str, ...]:
    """Return one sentence for each thing that a reader should look at; none of them makes a policy invalid."""
    permits = [rule for rule in policy.terms.rules if rule.rung is not Rung.DENY]
    found = [
        f"[dataset.{name}]: no rule gives anybody anything of it."
        for name in policy.datasets
        if not any(rule.names(name) for rule in permits)
    ]
    stated = {name for rule in policy.terms.rules for name in rule.when.purpose or ()}
    found += [f"[purpose.{name}]: no rule asks for it." for name in policy.purposes if name not in stated]
    for rule in permits:
        found += _rule(policy, rule)
    return tuple(found)


def _rule(policy: Policy, rule: Rule) -> list[str]:
    found = []
    if rule.rung is Rung.RAW and rule.to.everyone and rule.columns is None and rule.tags is None and not rule.not_tags:
        found.append(f"rule {rule.id}: it gives everyone every tagged column as it is.")
    for name, terms in policy.datasets.items():
        if not rule.names(name):
            continue
        unknown = sorted(set(rule.columns or ()) - set(terms.tags)) if terms.tags else []
        found += [f"rule {rule.id}: [dataset.{name}] has no tag for {column!r}." for column in unknown]
        if rule.rung is Rung.DP and not any(terms.askable(column) for column in terms.tags):
            found.append(f"rule {rule.id}: no tagged column of [dataset.{name}] has bounds or keys to ask about.")
    return found
