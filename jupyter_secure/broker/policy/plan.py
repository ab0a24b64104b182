"""A policy against one dataset version: which rule gives which column, as what, worked out once.

All that does not depend on the person or the moment is here, so that `decide` only compares conditions and picks.
Sentences for the person are made here too.
"""

from __future__ import annotations

import msgspec

from jupyter_secure.protocol.dataset import Column, DatasetVersion, Tag
from jupyter_secure.protocol.decision import ColumnReason
from jupyter_secure.protocol.treatment import Keep, Keyed, Suppress, Treatment, subject_of
from jupyter_secure.protocol.view import ColumnView, Comparison, Listed, RowFilter, Rung

from .order import KEEPABLE, describe, hides_enough
from .rules import DatasetTerms, OwnValue, Rule, rule_digest


class Grant:
    """One column as one rule gives it: what goes into the view, and the reason to show."""

    __slots__ = ("reason", "treatment", "view")

    def __init__(self, column: Column, tag: Tag | None, treatment: Treatment, rule: Rule) -> None:
        self.treatment = treatment
        self.view = ColumnView(name=column.name, treatment=treatment, rule=rule.id)
        self.reason = ColumnReason(
            column=column.name,
            tag=tag,
            treatment=treatment,
            rule=rule.id,
            sentence=_given(rule, tag, treatment, column.type),
            advice=rule.advice,
        )


class RulePlan:
    """One rule that names the dataset, with the columns it speaks of, by their place in the version."""

    __slots__ = ("_names", "_unit", "attributes", "denials", "digest", "grants", "kept", "rule")

    def __init__(
        self,
        rule: Rule,
        columns: tuple[Column, ...],
        tags: list[Tag | None],
        askable: frozenset[str],
        unit: str | None,
    ) -> None:
        self.rule = rule
        self.attributes = tuple(row.attribute for row in rule.rows if isinstance(row, OwnValue))
        self._unit = unit
        self._names = {column.name for column in columns}
        self.digest = rule_digest(rule)
        self.grants: dict[int, Grant] = {}
        self.kept: dict[int, Grant] = {}  # what a raw rule gives inside a masked view
        self.denials: dict[int, ColumnReason] = {}
        for place, (column, tag) in enumerate(zip(columns, tags, strict=True)):
            if not rule.selects(column.name, tag):
                continue
            if rule.rung is Rung.DENY:
                self.denials[place] = _denied(rule, column.name, tag)
            elif tag is not None:
                self._grant(place, column, tag, askable)

    def _grant(self, place: int, column: Column, tag: Tag, askable: frozenset[str]) -> None:
        rule = self.rule
        if rule.rung is Rung.RAW:
            self.grants[place] = Grant(column, tag, Keep(), rule)
            if tag in KEEPABLE:
                self.kept[place] = self.grants[place]
        elif rule.rung is Rung.MASKED:
            treatment = rule.column_masks.get(column.name) or rule.masks.get(tag)
            if treatment is None or not hides_enough(treatment, tag):
                return
            completed = self._complete(treatment, column.name)
            if completed is not None:
                self.grants[place] = Grant(column, tag, completed, rule)
        elif column.name in askable:
            # In a dp view no row of a column crosses; should anybody ever make a table of it, every value is null.
            self.grants[place] = Grant(column, tag, Suppress(), rule)

    def _complete(self, treatment: Treatment, column: str) -> Treatment | None:
        # What the rule leaves open: the domain is the column's name, the person the dataset's privacy unit.
        if isinstance(treatment, Keyed) and not treatment.domain:
            return msgspec.structs.replace(treatment, domain=column)
        subject = subject_of(treatment)
        if subject is None:
            return treatment
        subject = subject or self._unit
        if subject not in self._names:
            return None
        return msgspec.structs.replace(treatment, subject=subject)


class Plan:
    """All rules that name a dataset, against one version of it."""

    def __init__(self, version: DatasetVersion, terms: DatasetTerms, rules: list[Rule]) -> None:
        self.version = version
        self.terms = terms
        self.names = [column.name for column in version.columns]
        self.tags: list[Tag | None] = [terms.tags.get(column.name, column.tag) for column in version.columns]
        self.places = {name: place for place, name in enumerate(self.names)}
        self.everything = tuple(range(len(self.names)))
        self.askable = frozenset(name for name in self.names if terms.askable(name) and self._private())
        self.rules = [RulePlan(rule, version.columns, self.tags, self.askable, terms.privacy_unit) for rule in rules]
        self.untagged = {
            place: self._reason(
                place,
                "Left out: it has no tag, and a column without a tag is denied.",
                "Ask a data steward to confirm a tag for it.",
            )
            for place, tag in enumerate(self.tags)
            if tag is None
        }
        self.unasked = [self._reason(place, "Not asked for.", "") for place in self.everything]
        self.ungiven = [
            self._reason(place, "Left out: no rule gives it to you in this form.", "") for place in self.everything
        ]
        self.only_raw = [
            self._reason(
                place, "Left out of this view: you may only have it as it is.", "Ask for the raw view: `--as raw`."
            )
            for place in self.everything
        ]
        self.only_dp = [
            self._reason(
                place, "Left out: you may only ask private questions about it.", "Ask for the dp view: `--as dp`."
            )
            for place in self.everything
        ]

    def _private(self) -> bool:
        return self.terms.private and self.terms.privacy_unit in self.places

    def _reason(self, place: int, sentence: str, advice: str) -> ColumnReason:
        return ColumnReason(
            column=self.names[place], tag=self.tags[place], treatment=None, rule=None, sentence=sentence, advice=advice
        )


def filter_key(item: RowFilter) -> tuple[str, ...]:
    """Return what row filters are ordered by, so that equal sets of filters give equal views."""
    if isinstance(item, Comparison):
        return (item.column, item.operator, type(item.value).__name__, repr(item.value))
    if isinstance(item, Listed):
        return (item.column, "listed", item.dataset, item.list_column, str(item.keep))
    return (item.column, "in", *(f"{type(value).__name__}:{value!r}" for value in item.values))


def _given(rule: Rule, tag: Tag | None, treatment: Treatment, arrow_type: str) -> str:
    if rule.rung is Rung.DP:
        return f"Answers private questions only, by rule {rule.id}."
    if rule.rung is Rung.RAW:
        return f"Shown as it is, by rule {rule.id}."
    return f"Shown {describe(treatment, arrow_type)}, by rule {rule.id}, because it is tagged {tag}."


def _denied(rule: Rule, column: str, tag: Tag | None) -> ColumnReason:
    return ColumnReason(
        column=column,
        tag=tag,
        treatment=None,
        rule=rule.id,
        sentence=f"Left out: rule {rule.id} denies it.",
        advice=rule.advice,
    )
