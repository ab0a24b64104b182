"""What policy answers: a view or a refusal, with the reason for every column."""

from __future__ import annotations

from .canonical import digest
from .dataset import Tag
from .noun import ColumnName, Noun, RuleId
from .treatment import Treatment
from .view import Rung, ViewSpec


class ColumnReason(Noun):
    """Why one column comes out as it does.

    Attributes:
        treatment: None where the column is left out.
        rule: the rule that decided; None where no rule spoke (deny by default).
        sentence: one sentence for the person.
        advice: what the person can do about it; empty if nothing.
    """

    column: ColumnName
    tag: Tag | None
    treatment: Treatment | None
    rule: RuleId | None
    sentence: str
    advice: str = ""


class NearMiss(Noun):
    """A rule that would have permitted more, and the one condition that failed."""

    rule: RuleId
    rung: Rung
    condition: str
    advice: str


class Decision(Noun):
    """An immutable answer.

    Attributes:
        view: None means refused.
        reasons: one for each column of the dataset, in its order.
        policy: digest of the policy that answered.
    """

    view: ViewSpec | None
    reasons: tuple[ColumnReason, ...]
    near_misses: tuple[NearMiss, ...]
    policy: str

    @property
    def permitted(self) -> bool:
        """Say whether anything may cross."""
        return self.view is not None

    def digest(self) -> str:
        """Return the digest that the audit log stores."""
        return digest(self)
