"""The decision: a pure function of a policy and an ask.

Steps: (1) the dataset, the purpose and the columns asked for must be known, (2) the rules that address the person and
whose conditions hold are the active ones, (3) deny takes columns away, (4) the view's rung is the highest one, not
above the one asked for, at which some column is permitted, (5) each column gets its treatment inside that rung, (6)
the row filters of all active permits and the list of consents are joined by AND, and the smallest sample and limit of
them count, (7) every column has a reason, and every rule that failed by one condition is told.

Promises: what no active rule gives is left out; a deny rule always wins; the order of rules means nothing; an error
inside is an exception, never a permission. A raw view gives each column at its own highest rung. A masked view gives
each column under a mask; a column that is only permitted raw comes as it is when it is a measure or public, and is
left out otherwise, because nobody said how to mask it. A dp view lists the columns that questions may name and lets no
row cross.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from jupyter_secure.protocol.decision import ColumnReason, Decision, NearMiss
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import ColumnView, Disclosure, Listed, Membership, RowFilter, Rung, Sample, ViewSpec

from .ask import Ask
from .conditions import Failure, failures, told_alone
from .disclosure import disclosure
from .order import combine
from .plan import Grant, Plan, RulePlan, filter_key
from .policy import Policy
from .rules import Consent, OwnValue

LADDER = (Rung.RAW, Rung.MASKED, Rung.DP)


class _Standing:
    """What the active rules say of each column, by its place."""

    __slots__ = ("denied", "dp", "filters", "kept", "limit", "masked", "missed", "raw", "share")

    def __init__(self) -> None:
        self.denied: dict[int, ColumnReason] = {}
        self.raw: dict[int, Grant] = {}
        self.kept: dict[int, Grant] = {}
        self.masked: dict[int, list[tuple[Grant, RulePlan]]] = {}
        self.dp: dict[int, Grant] = {}
        self.filters: list[RowFilter] = []
        self.share: float | None = None
        self.limit: int | None = None
        self.missed: list[tuple[RulePlan, Failure]] = []

    def add(self, item: RulePlan, filters: list[RowFilter]) -> None:
        """Let an active rule speak; rules come in the order of their ids, so the first to give a column is cited."""
        self.filters.extend(filters)
        self.share = min((it for it in (self.share, item.rule.sample) if it), default=None)
        self.limit = min((it for it in (self.limit, item.rule.limit) if it), default=None)
        for place, reason in item.denials.items():
            self.denied.setdefault(place, reason)
        for place, grant in item.kept.items():
            self.kept.setdefault(place, grant)
        if item.rule.rung is Rung.MASKED:
            for place, grant in item.grants.items():
                self.masked.setdefault(place, []).append((grant, item))
        else:
            given = self.raw if item.rule.rung is Rung.RAW else self.dp
            for place, grant in item.grants.items():
                given.setdefault(place, grant)


def decide(policy: Policy, ask: Ask) -> Decision:
    """Return the decision; `view` is None when nothing may cross."""
    plan = policy.plan(ask.dataset)
    if plan is None:
        return _refuse(policy, "This policy does not know the dataset.", ask)
    if ask.purpose is not None and ask.purpose not in policy.purposes:
        return _refuse(policy, "This policy does not know the purpose that was stated.", ask)
    wanted = (
        plan.everything if ask.columns is None else tuple(sorted({plan.places.get(name, -1) for name in ask.columns}))
    )
    if -1 in wanted:
        return _refuse(policy, "A column that was asked for does not exist in this version.", ask)
    standing = _stand(policy, plan, ask)
    consent = plan.terms.consent
    if consent and consent.dataset in ask.context.lists:
        standing.filters.append(_listed(consent, ask.context.lists[consent.dataset]))
    if missing := _missing(plan, standing, ask):
        return _refuse(policy, missing, ask)
    rung, given = _climb(plan, standing, wanted, ask.rung)
    view = None if rung is Rung.DENY else _view(policy, plan, ask, rung, given, standing)
    return Decision(
        view=view,
        reasons=_reasons(plan, standing, wanted, given),
        near_misses=_near_misses(standing, rung, given, wanted),
        policy=policy.digest,
    )


def _refuse(policy: Policy, sentence: str, ask: Ask) -> Decision:
    reasons = tuple(
        ColumnReason(column=column.name, tag=None, treatment=None, rule=None, sentence=sentence)
        for column in ask.dataset.columns
    )
    return Decision(view=None, reasons=reasons, near_misses=(), policy=policy.digest)


def _stand(policy: Policy, plan: Plan, ask: Ask) -> _Standing:
    standing = _Standing()
    for item in plan.rules:
        rule = item.rule
        if not rule.addresses(ask.principal):
            continue
        failed = failures(policy, item, ask)
        if failed:
            told = told_alone(failed)
            if told is not None and rule.rung is not Rung.DENY:
                standing.missed.append((item, told))
            continue
        standing.add(item, [_own(policy, row, ask.principal) for row in rule.rows])
    return standing


def _missing(plan: Plan, standing: _Standing, ask: Ask) -> str:
    # What a filter, a list or a sample goes by, and this version or this vault does not have.
    if plan.terms.consent and plan.terms.consent.dataset not in ask.context.lists:
        return "The list of persons that the policy joins is not sealed."
    if any(item.column not in plan.places for item in standing.filters):
        return "The policy filters rows by a column that this version does not have."
    if standing.share is not None and plan.terms.privacy_unit not in plan.places:
        return "The policy draws persons, and no column of this version names them."
    return ""


def _own(policy: Policy, row: RowFilter | OwnValue, principal: Principal) -> RowFilter:
    if isinstance(row, OwnValue):
        return Membership(column=row.column, values=policy.own_values(row.attribute, principal))
    return row


def _listed(consent: Consent, version: int) -> Listed:
    return Listed(
        column=consent.column,
        dataset=consent.dataset,
        version=version,
        list_column=consent.list_column,
        keep=consent.keep,
    )


def _climb(
    plan: Plan, standing: _Standing, wanted: tuple[int, ...], asked: Rung | None
) -> tuple[Rung, dict[int, Grant]]:
    ceiling = Rung.RAW.height if asked is None else asked.height
    for rung in LADDER:
        if rung.height > ceiling or (
            rung is Rung.RAW and not any(place in standing.raw and place not in standing.denied for place in wanted)
        ):
            continue
        given = _given(plan, standing, wanted, rung)
        if given:
            return rung, given
    return Rung.DENY, {}


def _given(plan: Plan, standing: _Standing, places: Iterable[int], rung: Rung) -> dict[int, Grant]:
    return {
        place: grant
        for place in places
        if place not in standing.denied and (grant := _grant(plan, standing, place, rung)) is not None
    }


def _grant(plan: Plan, standing: _Standing, place: int, rung: Rung) -> Grant | None:
    if rung is Rung.DP:
        return standing.dp.get(place)
    if rung is Rung.RAW and place in standing.raw:
        return standing.raw[place]
    masks = standing.masked.get(place)
    if masks is None:
        return standing.kept.get(place) if rung is Rung.MASKED else None
    if len(masks) == 1:
        return masks[0][0]
    treatment = reduce(combine, (grant.treatment for grant, _ in masks))
    for grant, _ in masks:
        if grant.treatment == treatment:
            return grant
    # Coarser than each of them alone: cite the first rule that uses this method.
    rule = next(item.rule for grant, item in masks if type(grant.treatment) is type(treatment))
    return Grant(plan.version.columns[place], plan.tags[place], treatment, rule)


def _view(policy: Policy, plan: Plan, ask: Ask, rung: Rung, given: dict[int, Grant], standing: _Standing) -> ViewSpec:
    columns: tuple[ColumnView, ...] = tuple(grant.view for grant in given.values())
    rows = standing.filters
    if len(rows) > 1:
        rows = list({filter_key(item): item for item in sorted(rows, key=filter_key)}.values())
    counted = rung is not Rung.DP  # an answer is made from all persons whom the filters leave
    unit = plan.terms.privacy_unit
    return ViewSpec(
        dataset=ask.dataset.name,
        version=ask.dataset.version,
        rung=rung,
        columns=columns,
        rows=tuple(rows),
        purpose=ask.purpose,
        project="default" if ask.purpose is None else policy.purposes[ask.purpose].project,
        sample=Sample(subject=unit, share=standing.share) if counted and unit and standing.share else None,
        limit=standing.limit if counted else None,
        disclosure=_disclosure(plan, standing, rung) if counted else UNSET,
    )


def _disclosure(plan: Plan, standing: _Standing, rung: Rung) -> Disclosure | UnsetType:
    if not plan.terms.disclosure:
        return UNSET
    return disclosure(plan.terms, _given(plan, standing, plan.everything, rung), plan.names)


def _reasons(
    plan: Plan, standing: _Standing, wanted: tuple[int, ...], given: dict[int, Grant]
) -> tuple[ColumnReason, ...]:
    asked = None if len(wanted) == len(plan.names) else frozenset(wanted)
    reasons = []
    for place in plan.everything:
        grant = given.get(place)
        if grant is not None:
            reasons.append(grant.reason)
        elif asked is not None and place not in asked:
            reasons.append(plan.unasked[place])
        else:
            reasons.append(_left_out(plan, standing, place))
    return tuple(reasons)


def _left_out(plan: Plan, standing: _Standing, place: int) -> ColumnReason:
    if place in plan.untagged:
        return plan.untagged[place]
    if place in standing.denied:
        return standing.denied[place]
    if place in standing.raw:
        return plan.only_raw[place]
    if place in standing.dp:
        return plan.only_dp[place]
    advice = next((failed.advice for item, failed in standing.missed if place in item.grants), "")
    return replace(plan.ungiven[place], advice=advice) if advice else plan.ungiven[place]


def _near_misses(
    standing: _Standing, rung: Rung, given: dict[int, Grant], wanted: tuple[int, ...]
) -> tuple[NearMiss, ...]:
    misses = []
    for item, failed in standing.missed:
        more = any(
            place in wanted
            and place not in standing.denied
            and (place not in given or item.rule.rung.height > rung.height)
            for place in item.grants
        )
        if more:
            misses.append(
                NearMiss(rule=item.rule.id, rung=item.rule.rung, condition=failed.condition, advice=failed.advice)
            )
    return tuple(misses)
