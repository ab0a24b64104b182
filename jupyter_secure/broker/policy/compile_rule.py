"""One `[[rule]]` of a document becomes one `Rule`: names are looked up, times become numbers, nonsense is refused.

What is refused because it would read as safer than it is: a deny rule that needs a guard, a second factor or an
approval (it would deny the careful and let the careless pass), a mask that keeps direct, quasi or sensitive columns, a
filter on a deny rule.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

from msgspec import UNSET

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.view import (
    Comparison,
    Generalize,
    Keep,
    Membership,
    Pseudonym,
    Redact,
    RowFilter,
    Rung,
    Suppress,
    Treatment,
)

from .document import MethodTable, RowTable, RuleTable, WhenTable
from .parse import Parsed
from .places import Path
from .rules import Audience, DatasetTerms, Rule, When

KEEPABLE = frozenset({Tag.MEASURE, Tag.PUBLIC})
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
PARAMETERS = {"pseudonym": {"domain"}, "generalize": {"width", "prefix", "unit"}}


def compile_rule(parsed: Parsed, place: int, datasets: Mapping[str, DatasetTerms], zone: dt.tzinfo) -> Rule:
    """Return the compiled rule at a place of the file.

    Raises:
        PolicyError: it makes no sense; the sentence names line and field.
    """
    table = parsed.document.rule[place]
    path: Path = ("rule", place)
    named = _datasets(parsed, path, table, datasets)
    _check_selectors(parsed, path, table)
    _check_view(parsed, path, table, [datasets[name] for name in named if name != "*"])
    return Rule(
        id=table.id,
        to=_audience(table.to),
        except_to=_audience(table.except_to),
        datasets=named,
        rung=table.view,
        columns=None if table.columns is None else tuple(sorted(set(table.columns))),
        tags=None if table.tags is None else tuple(sorted(set(table.tags))),
        not_tags=tuple(sorted(set(table.not_tags))),
        masks={tag: _mask(parsed, (*path, "mask", tag), mask) for tag, mask in sorted(table.mask.items())},
        column_masks={
            column: _mask(parsed, (*path, "mask_columns", column), mask)
            for column, mask in sorted(table.mask_columns.items())
        },
        rows=tuple(_row(parsed, (*path, "rows", index), row) for index, row in enumerate(table.rows)),
        when=_when(parsed, (*path, "when"), table.when, zone),
        advice=table.advice,
    )


def _audience(names: tuple[str, ...]) -> Audience:
    return Audience(
        everyone="everyone" in names,
        roles=tuple(sorted({name[5:] for name in names if name.startswith("role:")})),
        users=tuple(sorted({name[5:] for name in names if name.startswith("user:")})),
    )


def _datasets(parsed: Parsed, path: Path, table: RuleTable, known: Mapping[str, DatasetTerms]) -> tuple[str, ...]:
    if "*" in table.datasets:
        if len(table.datasets) > 1:
            parsed.fail((*path, "datasets"), '"*" already means every dataset of this file; name it alone')
        return ("*",)
    for index, name in enumerate(table.datasets):
        if name not in known:
            parsed.fail((*path, "datasets", index), f"{name!r} is not declared; add a table [dataset.{name}]")
    return tuple(sorted(set(table.datasets)))


def _check_selectors(parsed: Parsed, path: Path, table: RuleTable) -> None:
    for column in table.mask_columns:
        if table.columns is not None and column not in table.columns:
            parsed.fail((*path, "mask_columns", column), "the rule does not select this column")
    for tag in table.mask:
        if tag in table.not_tags or (table.tags is not None and tag not in table.tags):
            parsed.fail((*path, "mask", tag), "the rule does not select this tag")
    for index, name in enumerate(table.when.purpose or ()):
        if name not in parsed.document.purpose:
            parsed.fail((*path, "when", "purpose", index), f"{name!r} is not declared; add a table [purpose.{name}]")


def _check_view(parsed: Parsed, path: Path, table: RuleTable, datasets: list[DatasetTerms]) -> None:
    masks = table.mask or table.mask_columns
    if table.view is Rung.MASKED and not masks:
        parsed.fail(path, "a masked view needs `mask` or `mask_columns`; a column without a mask is left out")
    if table.view is not Rung.MASKED and masks:
        parsed.fail((*path, "mask" if table.mask else "mask_columns"), f"a {table.view} view has no masks")
    if table.view is Rung.DENY:
        _check_deny(parsed, path, table)
    if table.view is Rung.DP and not all(terms.private for terms in datasets):
        parsed.fail((*path, "view"), "a dp view needs privacy_unit and budget in the dataset's table")
    _check_kept(parsed, path, table, datasets)


def _check_deny(parsed: Parsed, path: Path, table: RuleTable) -> None:
    for field, given in (
        ("guard", table.when.guard),
        ("mfa_max_age", table.when.mfa_max_age),
        ("approval", table.when.approval),
    ):
        if given is not None:
            parsed.fail(
                (*path, "when", field), "a deny rule would then spare whoever is less careful; put it on a permit"
            )
    if table.rows:
        parsed.fail((*path, "rows"), "a deny rule has no row filter; put the filter on a permit")


def _check_kept(parsed: Parsed, path: Path, table: RuleTable, datasets: list[DatasetTerms]) -> None:
    for tag, mask in table.mask.items():
        if _method(mask) == "keep" and tag not in KEEPABLE:
            parsed.fail(
                (*path, "mask", tag), "only measure and public columns can be kept in a masked view; use view = raw"
            )
    for column, mask in table.mask_columns.items():
        tags = {terms.tags[column] for terms in datasets if column in terms.tags}
        if _method(mask) == "keep" and not tags <= KEEPABLE:
            parsed.fail((*path, "mask_columns", column), "only measure and public columns can be kept in a masked view")


def _method(mask: str | MethodTable) -> str:
    return mask if isinstance(mask, str) else mask.method


def _mask(parsed: Parsed, path: Path, mask: str | MethodTable) -> Treatment:
    table = MethodTable(method=mask) if isinstance(mask, str) else mask  # type: ignore[arg-type]  # decoded already
    given = {field for field in ("domain", "width", "prefix", "unit") if getattr(table, field) is not None}
    surplus = sorted(given - PARAMETERS.get(table.method, set()))
    if surplus:
        parsed.fail((*path, surplus[0]), f"{table.method} has no such parameter")
    match table.method:
        case "pseudonym":
            return Pseudonym(domain=table.domain or "")
        case "generalize":
            default = Generalize()
            return Generalize(
                width=table.width or default.width,
                prefix=default.prefix if table.prefix is None else table.prefix,
                unit=table.unit or default.unit,
            )
        case "redact":
            return Redact()
        case "suppress":
            return Suppress()
        case _:
            return Keep()


def _row(parsed: Parsed, path: Path, row: RowTable) -> RowFilter:
    if row.op == "in":
        if row.values is None or row.value is not None:
            parsed.fail(path, "`in` needs `values`, a list, and no `value`")
        return Membership(column=row.column, values=row.values)
    if row.value is None or row.values is not None:
        parsed.fail(path, f"`{row.op}` needs one `value` and no `values`")
    return Comparison(column=row.column, operator=row.op, value=row.value)


def _when(parsed: Parsed, path: Path, table: WhenTable, zone: dt.tzinfo) -> When:
    if table.hours is not None and (table.hours[0] == table.hours[1] or table.hours[0] == 24):
        parsed.fail((*path, "hours"), "write the first hour (0 to 23) and the hour after the last, for example [8, 18]")
    start = (
        None if table.valid_from is None else _instant(parsed, (*path, "valid_from"), table.valid_from, zone, end=False)
    )
    end = (
        None
        if table.valid_until is None
        else _instant(parsed, (*path, "valid_until"), table.valid_until, zone, end=True)
    )
    if start is not None and end is not None and start >= end:
        parsed.fail((*path, "valid_until"), "the rule ends before it begins")
    age = table.mfa_max_age
    return When(
        purpose=None if table.purpose is None else tuple(sorted(set(table.purpose))),
        mfa_max_age=None if age is None else int(age[:-1]) * SECONDS[age[-1]],
        guard=table.guard,
        hours=table.hours,
        valid_from=start,
        valid_until=end,
        approval=table.approval or UNSET,
    )


def _instant(parsed: Parsed, path: Path, text: str, zone: dt.tzinfo, *, end: bool) -> int:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        parsed.fail(path, "write a date, 2026-12-31, or a date with a time")
    if end and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        moment += dt.timedelta(days=1)  # until a day means until its end
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return int(moment.timestamp() * 1000)
