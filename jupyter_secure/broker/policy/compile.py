"""From a document to the policy that is decided, signed and named by its digest.

Steps: (1) each table is checked for sense, beyond its shape, (2) every name that a rule uses must be declared, (3) the
whole is put into an order that does not depend on the file, (4) the digest of that canonical form names it. Every
error is a `PolicyError` with the line of the field.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal
from itertools import pairwise

from msgspec import UNSET, UnsetType

from .compile_rule import compile_rule
from .disclosure import compile_disclosure
from .document import BudgetTable, DatasetTable, Document, Keys
from .egress import compile_egress
from .key_lists import NO_KEYS, ColumnKeys, KeyLists, listed
from .parse import Parsed, parse
from .places import Path
from .policy import Policy
from .rules import Budget, Consent, DatasetTerms, Outputs, PurposeTerms, Terms

FORMAT = 1
EPOCH = dt.date(1970, 1, 1)
OPEN_DELTA = Decimal("1e-9")


def compile_text(text: str, keys: KeyLists = NO_KEYS) -> Policy:
    """Return the policy of a file's text.

    Args:
        text: the file's.
        keys: what stood in the files that it names.

    Raises:
        PolicyError: it is not one; the sentence names line and field.
    """
    return compile_document(parse(text), keys)


def compile_document(parsed: Parsed, keys: KeyLists = NO_KEYS) -> Policy:
    """Return the policy of a parsed file.

    Raises:
        PolicyError: a field makes no sense; the sentence names line and field.
    """
    document = parsed.document
    zone = _zone(parsed)
    datasets = {
        name: _dataset(parsed, name, table, keys.get(name, {})) for name, table in sorted(document.dataset.items())
    }
    purposes = {
        name: PurposeTerms(title=table.title, project=table.project or name, acknowledge=table.acknowledge or UNSET)
        for name, table in sorted(document.purpose.items())
    }
    seen: dict[str, int] = {}
    for place, table in enumerate(document.rule):
        if table.id in seen:
            parsed.fail(("rule", place, "id"), f"rule {seen[table.id] + 1} has the same id")
        seen[table.id] = place
    rules = [compile_rule(parsed, place, datasets, zone) for place in range(len(document.rule))]
    rules.sort(key=lambda rule: rule.id)
    return Policy(
        Terms(
            format=FORMAT,
            timezone=document.policy.timezone,
            datasets=datasets,
            purposes=purposes,
            rules=tuple(rules),
            attributes={name: dict(sorted(table.roles.items())) for name, table in sorted(document.attribute.items())}
            or UNSET,
            egress=compile_egress(parsed) or UNSET,
            outputs=_outputs(document) or UNSET,
        ),
        zone,
    )


def _outputs(document: Document) -> Outputs | None:
    table = document.outputs
    return None if table is None else Outputs(on_match=table.on_match, least=table.least)


def _zone(parsed: Parsed) -> dt.tzinfo:
    name = parsed.document.policy.timezone
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        parsed.fail(("policy", "timezone"), f"{name!r} is not a time zone of this computer, such as Europe/Berlin")


def decimal(number: float) -> str:
    """Return the exact decimal text of a number as it was written, without an exponent."""
    text = format(Decimal(repr(number)).normalize(), "f")
    return "0" if text in {"-0", "0"} else text


def _dataset(parsed: Parsed, name: str, table: DatasetTable, read: ColumnKeys) -> DatasetTerms:
    path: Path = ("dataset", name)
    keys = {column: listed(parsed, (*path, "keys", column), said, read) for column, said in table.keys.items()}
    bounds = {column: _ends(parsed, (*path, "bounds", column), ends) for column, ends in table.bounds.items()}
    _check_numbers(parsed, path, table, bounds)
    _check_lists(parsed, path, table, keys)
    return DatasetTerms(
        title=table.title,
        tags=dict(sorted(table.tags.items())),
        privacy_unit=table.privacy_unit,
        contributions=table.contributions,
        bounds={name: (decimal(low), decimal(high)) for name, (low, high) in sorted(bounds.items())},
        resolution={column: decimal(unit) for column, unit in sorted(table.resolution.items())},
        keys=dict(sorted(keys.items())),
        bins={column: tuple(map(decimal, edges)) for column, edges in sorted(table.bins.items())},
        budget=_budget(parsed, (*path, "budget"), table.budget),
        max_grant_days=table.max_grant_days or UNSET,
        consent=_consent(parsed, (*path, "consent"), table),
        disclosure=compile_disclosure(parsed, (*path, "disclosure"), table) or UNSET,
        open_keys=_open_keys(parsed, (*path, "open_keys"), table) or UNSET,
    )


def _consent(parsed: Parsed, path: Path, table: DatasetTable) -> Consent | UnsetType:
    given = table.consent
    if given is None:
        return UNSET
    column = given.column or table.privacy_unit
    if column is None:
        parsed.fail(path, "name the `column`, or the privacy_unit of the dataset")
    return Consent(
        dataset=given.list, column=column, list_column=given.list_column or column, keep=given.kind == "opt-in"
    )


def _ends(parsed: Parsed, path: Path, ends: tuple[float | str, float | str]) -> tuple[float, float]:
    """Return bounds as numbers; a date counts the days since 1970."""
    try:
        low, high = ((dt.date.fromisoformat(end) - EPOCH).days if isinstance(end, str) else end for end in ends)
    except ValueError:
        parsed.fail(path, "there is no such day")
    return low, high


def _check_numbers(parsed: Parsed, path: Path, table: DatasetTable, bounds: dict[str, tuple[float, float]]) -> None:
    for column, (low, high) in bounds.items():
        if not low < high:
            parsed.fail((*path, "bounds", column), "the smallest value must be less than the largest")
    for column, unit in table.resolution.items():
        if unit <= 0:
            parsed.fail((*path, "resolution", column), "a unit must be more than 0")
        if column not in table.bounds:
            parsed.fail((*path, "resolution", column), "a resolution needs bounds for the same column")


def _check_lists(parsed: Parsed, path: Path, table: DatasetTable, keys: dict[str, Keys]) -> None:
    for column, those in keys.items():
        if len({(type(key), key) for key in those}) != len(those):
            parsed.fail((*path, "keys", column), "a key stands there twice")
    for column, edges in table.bins.items():
        if any(not low < high for low, high in pairwise(edges)):
            parsed.fail((*path, "bins", column), "edges must grow")
        if column not in table.bounds:
            parsed.fail((*path, "bins", column), "bins need bounds for the same column")


def _open_keys(parsed: Parsed, path: Path, table: DatasetTable) -> tuple[str, ...]:
    for column in table.open_keys:
        if column in table.keys or column in table.bounds:
            parsed.fail(path, f"column {column!r} has public keys or bounds already; keep one of both")
        if column == table.privacy_unit:
            parsed.fail(path, "the privacy unit names single persons, and no key of one person is ever told")
    if table.open_keys and table.budget and Decimal(table.budget.delta) < OPEN_DELTA:
        parsed.fail(path, f"open keys need a delta of at least {OPEN_DELTA}, which is the chance that one person shows")
    return tuple(sorted(set(table.open_keys)))


def _budget(parsed: Parsed, path: Path, table: BudgetTable | None) -> Budget | None:
    if table is None:
        return None
    whole, person, one = (Decimal(text) for text in (table.epsilon, table.person or table.epsilon, table.default_query))
    if whole <= 0:
        parsed.fail((*path, "epsilon"), "a budget must be more than 0")
    if not 0 < person <= whole:
        parsed.fail((*path, "person"), "the share of a person must be more than 0 and at most the whole budget")
    if table.project is not None and not 0 < Decimal(table.project) <= whole:
        parsed.fail((*path, "project"), "the share of a project must be more than 0 and at most the whole budget")
    if one <= 0:
        parsed.fail((*path, "default_query"), "the price of a question must be more than 0")
    if not 0 < Decimal(table.delta) < 1:
        parsed.fail((*path, "delta"), "delta must lie between 0 and 1")
    return Budget(
        epsilon=table.epsilon,
        delta=table.delta,
        person=table.person or table.epsilon,
        default_query=table.default_query,
        project=table.project or UNSET,
    )


def denies_everything() -> Policy:
    """Return the policy of a vault in which none was applied yet."""
    return compile_text("")
