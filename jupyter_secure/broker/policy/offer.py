"""What one person may use of a dataset now: the catalog's answer, made of decisions.

A rung counts as permitted when some purpose that the person's own rules name would open it; the second factor, the
hour and the guard level count as they are now. Columns are shown as the highest of these views would give them. A
dataset that none of the person's rules names is not offered at all, so the catalog tells nobody that it exists.
"""

from __future__ import annotations

from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.decision import ColumnReason, Decision
from jupyter_secure.protocol.form import form
from jupyter_secure.protocol.messages import ColumnOffer, Offer
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.treatment import method
from jupyter_secure.protocol.view import Rung

from .ask import Ask, Context
from .decide import LADDER, decide
from .disclosure import asked_of
from .policy import Policy


def offer(policy: Policy, principal: Principal, dataset: DatasetVersion, context: Context) -> Offer | None:
    """Return the offer; None if no permit addresses the person.

    An offer with no rungs says that one condition is missing (the reason of each column says which).
    """
    plan = policy.plan(dataset)
    if plan is None:
        return None
    rules = [item.rule for item in plan.rules if item.rule.rung is not Rung.DENY and item.rule.addresses(principal)]
    purposes = tuple(sorted({name for rule in rules for name in rule.when.purpose or ()}))
    answers = [
        decide(policy, Ask(principal=principal, dataset=dataset, context=context, rung=rung, purpose=purpose))
        for rung in LADDER
        for purpose in (None, *purposes)
    ]
    permitted = [answer for answer in answers if answer.view is not None]
    if not permitted and not any(answer.near_misses for answer in answers):
        return None
    found = {answer.view.rung for answer in permitted if answer.view is not None}
    rungs = tuple(rung for rung in LADDER if rung in found)
    best = permitted[0] if permitted else answers[0]
    return Offer(
        dataset=dataset.name,
        version=dataset.version,
        rows=dataset.rows if any(_whole(answer) for answer in permitted) else None,
        rungs=rungs,
        columns=_columns(dataset, best),
        purposes=purposes,
        check=asked_of(best.view.disclosure) if best.view else "",
    )


def _whole(answer: Decision) -> bool:
    # The number of all rows is told only to those who may have a row for each of them.
    return answer.view is not None and answer.view.rung in (Rung.RAW, Rung.MASKED) and not answer.view.partial


def _columns(dataset: DatasetVersion, best: Decision) -> tuple[ColumnOffer, ...]:
    private = best.view is not None and best.view.rung is Rung.DP
    return tuple(
        ColumnOffer(
            name=column.name,
            type=column.type,
            tag=reason.tag,
            treatment=_treatment(reason, private=private),
            reason=f"{reason.sentence} {reason.advice}".strip(),
            form="" if private else form(reason.treatment, column.type),
        )
        for column, reason in zip(dataset.columns, best.reasons, strict=True)
    )


def _treatment(reason: ColumnReason, *, private: bool) -> str | None:
    if reason.treatment is None:
        return None
    return "dp" if private else method(reason.treatment)
