"""One `[[rule]]` of a document becomes one `Rule`: names are looked up, times become numbers, nonsense is refused.

What is refused because it would read as safer than it is: a deny rule that needs a guard, a second factor or an
approval (it would deny the careful and let the careless pass), a mask that keeps direct, quasi or sensitive columns, a
filter on a deny rule.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

import msgspec
from msgspec import UNSET

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.treatment import METHODS, Keep, Treatment, method, subject_of
from jupyter_secure.protocol.view import Comparison, Membership, RowFilter, Rung

from .document import RowTable, RuleTable, WhenTable
from .order import hides_enough
from .parse import Parsed, nearest
from .places import Path
from .rules import Audience, DatasetTerms, OwnValue, Rule, When

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


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
        to=audience(table.to),
        except_to=audience(table.except_to),
        datasets=named,
        rung=table.view,
        columns=None if table.columns is None else tuple(sorted(set(table.columns))),
        tags=None if table.tags is None else tuple(sorted(set(table.tags))),
        not_tags=tuple(sorted(set(table.not_tags))),
        masks={tag: treatment_of(parsed, (*path, "mask", tag), mask) for tag, mask in sorted(table.mask.items())},
        column_masks={
            column: treatment_of(parsed, (*path, "mask_columns", column), mask)
            for column, mask in sorted(table.mask_columns.items())
        },
        rows=tuple(_row(parsed, (*path, "rows", index), row) for index, row in enumerate(table.rows)),
        when=_when(parsed, (*path, "when"), table.when, zone),
        advice=table.advice,
        sample=table.sample or UNSET,
        limit=table.limit or UNSET,
    )


def audience(names: tuple[str, ...]) -> Audience:
    """Return whom a list of names means."""
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
    _check_shares(parsed, path, table, datasets)
    _check_kept(parsed, path, table, datasets)
    _check_subjects(parsed, path, table, datasets)


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


def _check_shares(parsed: Parsed, path: Path, table: RuleTable, datasets: list[DatasetTerms]) -> None:
    given = [field for field in ("sample", "limit") if getattr(table, field) is not None]
    if given and table.view not in (Rung.RAW, Rung.MASKED):
        parsed.fail((*path, given[0]), f"a {table.view} rule gives no rows that could be counted or drawn")
    if table.sample is not None and not all(terms.privacy_unit for terms in datasets):
        parsed.fail((*path, "sample"), "persons are drawn, so the dataset's table needs a privacy_unit")


def _check_kept(parsed: Parsed, path: Path, table: RuleTable, datasets: list[DatasetTerms]) -> None:
    for tag, mask in table.mask.items():
        _check_hides(parsed, (*path, "mask", tag), mask, {tag})
    for column, mask in table.mask_columns.items():
        tags = {terms.tags[column] for terms in datasets if column in terms.tags}
        _check_hides(parsed, (*path, "mask_columns", column), mask, tags)


def _check_hides(parsed: Parsed, path: Path, mask: str | Treatment, tags: set[Tag]) -> None:
    treatment = treatment_of(parsed, path, mask)
    if all(hides_enough(treatment, tag) for tag in tags):
        return
    if isinstance(treatment, Keep):
        parsed.fail(path, "only measure and public columns can be kept in a masked view; use view = raw")
    parsed.fail(path, f"{method(treatment)} hides too little of a direct column; use pseudonym or redact")


def _check_subjects(parsed: Parsed, path: Path, table: RuleTable, datasets: list[DatasetTerms]) -> None:
    for field, masks in (("mask", table.mask), ("mask_columns", table.mask_columns)):
        for name, mask in masks.items():
            unnamed = subject_of(treatment_of(parsed, (*path, field, name), mask)) == ""
            if unnamed and not all(terms.privacy_unit for terms in datasets):
                parsed.fail((*path, field, name), "name the `subject`, or the privacy_unit in the dataset's table")


def treatment_of(parsed: Parsed, path: Path, mask: str | Treatment) -> Treatment:
    """Return the treatment that a file names, alone or with parameters."""
    if not isinstance(mask, str):
        return mask
    if mask not in METHODS:
        parsed.fail(path, f"{mask!r} is not known here" + nearest(mask, METHODS))
    try:
        treatment: Treatment = msgspec.convert({"method": mask}, METHODS[mask])
    except msgspec.ValidationError:
        fields = ", ".join(METHODS[mask].__struct_fields__)
        parsed.fail(path, f'{mask} needs parameters: write {{ method = "{mask}", ... }} with some of {fields}')
    return treatment


def _row(parsed: Parsed, path: Path, row: RowTable) -> RowFilter | OwnValue:
    if row.attribute is not None:
        if row.op != "eq" or row.value is not None or row.values is not None:
            parsed.fail(path, '`attribute` goes with `op = "eq"` and neither `value` nor `values`')
        if row.attribute not in parsed.document.attribute:
            parsed.fail((*path, "attribute"), f"{row.attribute!r} is not declared; add [attribute.{row.attribute}]")
        return OwnValue(column=row.column, attribute=row.attribute)
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
