"""What a policy asks of a view before it crosses: from the file to the terms, from the terms to one view.

Promises: the check covers every quasi-identifier that the person may have, whether he asked for it now or not, because
two views of one dataset can be laid side by side; a step of a ladder never shows more than the rules do.

A view in which a raw rule gives a direct or quasi-identifying column as it is is not checked: the policy chose to show
people there.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from msgspec import UNSET, UnsetType

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.treatment import (
    Bucket,
    Clip,
    Constant,
    FormatPreserving,
    Generalize,
    Keep,
    Partial,
    Pseudonym,
    Redact,
    Suppress,
    Treatment,
)
from jupyter_secure.protocol.view import ColumnView, Disclosure

from .compile_rule import treatment_of
from .document import DatasetTable
from .order import combine, hides_enough
from .parse import Parsed
from .places import Path
from .plan import Grant
from .rules import DatasetTerms, DisclosureTerms

NOTHING = (Constant, Suppress)  # of the value
TOKENS = (*NOTHING, Bucket, FormatPreserving, Pseudonym, Redact)  # nobody outside knows a person by these
STEPS = (Clip, Partial, Generalize, Constant, Redact, Suppress)  # what needs no key and no person
STEP_NAMES = "clip, partial, generalize, constant, redact and suppress"
IDENTIFYING = (Tag.DIRECT, Tag.QUASI)


def compile_disclosure(parsed: Parsed, path: Path, table: DatasetTable) -> DisclosureTerms | None:
    """Return the terms of a dataset's table; None where it asks for none.

    Raises:
        PolicyError: a field makes no sense; the sentence names line and field.
    """
    given = table.disclosure
    if given is None:
        return None
    if given.k == 1 and given.l == 1 and given.unique is None:
        parsed.fail(path, "ask for `k`, `l` or `unique`; without one nothing is checked")
    ladder = {}
    for column, steps in sorted(given.ladder.items()):
        tag = table.tags.get(column)
        if tag not in IDENTIFYING:
            parsed.fail((*path, "ladder", column), "a ladder is for columns that this table tags direct or quasi")
        ladder[column] = tuple(
            _step(parsed, (*path, "ladder", column, place), step, tag) for place, step in enumerate(steps)
        )
    return DisclosureTerms(k=given.k, l=given.l, unique=given.unique, suppress=given.suppress, ladder=ladder)


def _step(parsed: Parsed, path: Path, step: str | Treatment, tag: Tag) -> Treatment:
    treatment = treatment_of(parsed, path, step)
    if not isinstance(treatment, STEPS):
        parsed.fail(path, f"a step is one of {STEP_NAMES}")
    if not hides_enough(treatment, tag):
        parsed.fail(path, f"this hides too little of a {tag} column")
    return treatment


def disclosure(terms: DatasetTerms, given: Mapping[int, Grant], names: Container[str]) -> Disclosure | UnsetType:
    """Return what must be true of a view; UNSET where nothing is asked of it.

    Args:
        terms: of the dataset.
        given: every column that the person may have in a view of this rung.
        names: the columns of the version.
    """
    asked = terms.disclosure
    grants = [(grant.reason.tag, grant.view) for grant in given.values()]
    shown = any(tag in IDENTIFYING and isinstance(view.treatment, Keep) for tag, view in grants)
    if not asked or shown:
        return UNSET
    quasi = tuple(view for tag, view in grants if _tells_apart(tag, view.treatment))
    coarser = max((len(asked.ladder.get(view.name, ())) for view in quasi), default=0)
    return Disclosure(
        k=asked.k,
        l=asked.l,
        unique=asked.unique,
        suppress=asked.suppress,
        subject=terms.privacy_unit if terms.privacy_unit and terms.privacy_unit in names else None,
        steps=tuple(
            tuple(_coarser(view, asked.ladder.get(view.name, ()), step) for view in quasi)
            for step in range(coarser + 1)
        ),
        sensitive=tuple(
            view for tag, view in grants if tag is Tag.SENSITIVE and not isinstance(view.treatment, NOTHING)
        ),
    )


def _tells_apart(tag: Tag | None, treatment: Treatment) -> bool:
    return (tag is Tag.QUASI and not isinstance(treatment, NOTHING)) or (
        tag is Tag.DIRECT and not isinstance(treatment, TOKENS)
    )


def _coarser(view: ColumnView, ladder: tuple[Treatment, ...], step: int) -> ColumnView:
    treatment = view.treatment
    for each in ladder[:step]:
        treatment = combine(treatment, each)
    return ColumnView(name=view.name, treatment=treatment, rule=view.rule)


def asked_of(disclosure: Disclosure | UnsetType) -> str:
    """Return the check in words, empty where nothing is asked."""
    if not disclosure:
        return ""
    names = ", ".join(view.name for view in disclosure.steps[0]) or "no column"
    who = "persons" if disclosure.subject else "rows"
    asks = []
    if disclosure.k > 1:
        asks.append(f"at least {disclosure.k} {who} share each combination of {names}")
    if disclosure.l > 1:
        sensitive = ", ".join(view.name for view in disclosure.sensitive) or "no column"
        asks.append(f"each combination of {names} has at least {disclosure.l} different values of {sensitive}")
    if disclosure.unique is not None:
        asks.append(f"at most {100 * disclosure.unique:g} % of the rows are alone in {names}")
    steps = len(disclosure.steps) - 1
    ways = [f"it is made coarser, up to {steps} {'step' if steps == 1 else 'steps'}"] if steps else []
    ways += [f"up to {100 * disclosure.suppress:g} % of the rows are left out"] if disclosure.suppress else []
    otherwise = ", or ".join([*ways, "it is refused"])
    return f"Checked before it crosses: {'; '.join(asks)}. Where it does not fit, {otherwise}."
