"""A policy as Cedar text, so that another engine can be asked the same question.

Each rule becomes one `permit` for the action of its rung, or one `forbid` for all. What Cedar cannot say (masks, row
filters, the ladder) stays out: the comparison is about *whether* a column is given at a rung. Which rules an approval
opens and which purposes were acknowledged come in as sets of names. The text is made from the rules, not from plans or
from `decide`, so that a fault there is not copied here. Cedar lets a faulty `forbid` pass
in silence; whoever asks it must treat any reported error as a refusal (`SCHEMA` lets it find such faults beforehand).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.view import Rung

from .order import hides_enough
from .policy import Policy
from .rules import Audience, Rule, When

SCHEMA = """
entity User = { name: String, roles: Set<String> };
entity Column = { dataset: String, name: String, tag?: String, askable: Bool };
action "raw", "masked", "dp" appliesTo {
  principal: [User],
  resource: [Column],
  context: {
    now: Long, hour: Long, guard: Long, purpose?: String, mfa_age?: Long,
    approved: Set<String>, acknowledged: Set<String>,
  },
};
"""


def export(policy: Policy) -> str:
    """Return the Cedar policies, one per rule."""
    declared = sorted(policy.datasets)
    terms = [name for name, purpose in policy.purposes.items() if purpose.acknowledge]
    return "\n\n".join(_rule(rule, declared, terms) for rule in policy.terms.rules)


def guard_number(level: GuardLevel) -> int:
    """Return the level as Cedar's context has it."""
    return list(GuardLevel).index(level)


def _rule(rule: Rule, declared: list[str], terms: list[str]) -> str:
    deny = rule.rung is Rung.DENY
    datasets = declared if rule.datasets == ("*",) else list(rule.datasets)
    parts = [_audience(rule.to), f"!({_audience(rule.except_to)})", _within(datasets, "resource.dataset")]
    parts += _selectors(rule) + _when(rule.when)
    if rule.when.approval:
        parts.append(f"context.approved.contains({_text(rule.id)})")
    if not deny:
        parts += ["resource has tag", *_acknowledged(terms)]
    if rule.rung is Rung.MASKED:
        parts.append(_masked(rule))
    if rule.rung is Rung.DP:
        parts.append("resource.askable")
    action = "action" if deny else f'action == Action::"{rule.rung}"'
    body = " &&\n  ".join(f"({part})" for part in parts)
    return f'@id("{rule.id}")\n{"forbid" if deny else "permit"} (principal, {action}, resource)\nwhen {{\n  {body}\n}};'


def _audience(audience: Audience) -> str:
    if audience.everyone:
        return "true"
    parts = []
    if audience.users:
        parts.append(f"{_list(audience.users)}.contains(principal.name)")
    if audience.roles:
        parts.append(f"principal.roles.containsAny({_list(audience.roles)})")
    return " || ".join(parts) or "false"


def _selectors(rule: Rule) -> list[str]:
    parts = []
    if rule.columns is not None:
        parts.append(f"{_list(rule.columns)}.contains(resource.name)")
    if rule.tags is not None:
        parts.append(f"resource has tag && {_list(rule.tags)}.contains(resource.tag)")
    if rule.not_tags:
        parts.append(f"!(resource has tag && {_list(rule.not_tags)}.contains(resource.tag))")
    return parts


def _masked(rule: Rule) -> str:
    parts = []
    for column, treatment in rule.column_masks.items():
        enough = _list([tag for tag in Tag if hides_enough(treatment, tag)])
        parts.append(f"resource.name == {_text(column)} && {enough}.contains(resource.tag)")
    other = f"!({_within(rule.column_masks, 'resource.name')})"
    parts += [f"{other} && resource.tag == {_text(tag)}" for tag in rule.masks]
    return " || ".join(f"({part})" for part in parts) or "false"


def _acknowledged(terms: list[str]) -> list[str]:
    if not terms:
        return []
    named = _within(terms, "context.purpose")
    return [f"!(context has purpose && {named} && !context.acknowledged.contains(context.purpose))"]


def _when(when: When) -> list[str]:
    parts = []
    if when.purpose is not None:
        parts.append(f"context has purpose && {_list(when.purpose)}.contains(context.purpose)")
    if when.guard is not None:
        parts.append(f"context.guard >= {guard_number(when.guard)}")
    if when.mfa_max_age is not None:
        parts.append(f"context has mfa_age && context.mfa_age >= 0 && context.mfa_age <= {when.mfa_max_age}")
    if when.hours is not None:
        first, last = when.hours
        joint = "&&" if first < last else "||"
        parts.append(f"context.hour >= {first} {joint} context.hour < {last}")
    if when.valid_from is not None:
        parts.append(f"context.now >= {when.valid_from}")
    if when.valid_until is not None:
        parts.append(f"context.now < {when.valid_until}")
    return parts


def _text(value: str) -> str:
    return json.dumps(str(value), ensure_ascii=False)


def _within(values: Iterable[str], what: str) -> str:
    # An empty set literal has no type in Cedar.
    listed = _list(values)
    return "false" if listed == "[]" else f"{listed}.contains({what})"


def _list(values: Iterable[str]) -> str:
    return "[" + ", ".join(_text(value) for value in values) + "]"
