"""A decision in the words of an officer.

Every rule that names the dataset, whether it addresses the person, which of its conditions fail, which columns it
speaks of. What the person himself is told stands in the decision.
"""

from __future__ import annotations

from jupyter_secure.protocol.decision import Decision
from jupyter_secure.protocol.noun import Noun
from jupyter_secure.protocol.view import Rung

from .ask import Ask
from .conditions import failures
from .decide import decide
from .policy import Policy


class RuleTrace(Noun):
    """One rule against one ask.

    Attributes:
        failed: the conditions that do not hold now.
        columns: what the rule gives or denies of this dataset version.
    """

    rule: str
    rung: Rung
    addressed: bool
    failed: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def active(self) -> bool:
        """Say whether the rule takes part in the decision."""
        return self.addressed and not self.failed


class Trace(Noun):
    """A decision and every rule that could have had a part in it."""

    decision: Decision
    rules: tuple[RuleTrace, ...]


def officer(policy: Policy, ask: Ask) -> Trace:
    """Return the decision with the state of every rule that names the dataset."""
    plan = policy.plan(ask.dataset)
    traces = (
        ()
        if plan is None
        else tuple(
            RuleTrace(
                rule=item.rule.id,
                rung=item.rule.rung,
                addressed=item.rule.addresses(ask.principal),
                failed=tuple(failed.advice for failed in failures(policy, item, ask)),
                columns=tuple(plan.names[place] for place in (item.denials or item.grants)),
            )
            for item in plan.rules
        )
    )
    return Trace(decision=decide(policy, ask), rules=traces)
