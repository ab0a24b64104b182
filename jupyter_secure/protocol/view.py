"""What may cross to a kernel: rungs of the ladder, row filters, the specification of one view.

`policy` says a `ViewSpec`, `views` does it and the panel shows it; none of them knows the others.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from .noun import ColumnName, Count, DatasetName, Noun, PurposeName, RuleId
from .treatment import Treatment


class Rung(enum.StrEnum):
    """The ladder `deny < dp < masked < raw`."""

    DENY = "deny"
    DP = "dp"
    MASKED = "masked"
    RAW = "raw"

    @property
    def height(self) -> int:
        """Return the place on the ladder, deny being 0."""
        return list(Rung).index(self)


class ColumnView(Noun):
    """How one column crosses, and which rule said so."""

    name: ColumnName
    treatment: Treatment
    rule: RuleId


class Comparison(Noun, tag_field="op", tag="compare"):
    """One column against one literal. A null compares false."""

    column: ColumnName
    operator: Literal["eq", "ne", "lt", "le", "gt", "ge"]
    value: int | float | str | bool


class Membership(Noun, tag_field="op", tag="in"):
    """One column against a list of literals."""

    column: ColumnName
    values: Annotated[tuple[int | float | str | bool, ...], msgspec.Meta(max_length=1000)]


class Listed(Noun, tag_field="op", tag="listed"):
    """Whether the person of a row stands in a list of persons; a row that names nobody fits neither way.

    Attributes:
        column: names the person.
        dataset: the sealed list, in its column `list_column`.
        version: of the list, as it was when the decision was made.
        keep: True keeps those who stand in it (consent), False drops them (objection).
    """

    column: ColumnName
    dataset: DatasetName
    version: Count
    list_column: ColumnName
    keep: bool


RowFilter = Comparison | Membership | Listed


class Sample(Noun):
    """A keyed choice of persons: the same at every load of one project and purpose, with all rows of each of them.

    Attributes:
        subject: the column that names the person.
        share: of all persons, about.
    """

    subject: ColumnName
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)]


class Disclosure(Noun):
    """What must be true of a view before it crosses (docs/adr/0015-a-view-is-checked-before-it-crosses.md).

    A class is the rows that are equal in all quasi-identifiers as they come out. The columns here are all those that
    the person may have, asked for or not, because two views can be laid side by side.

    Attributes:
        k: so many persons at least stand in each class (rows, where no column names the person).
        l: so many different values at least has each sensitive column in each class.
        unique: the largest share of the rows that may be alone in their class; None asks for none.
        suppress: the largest share of the rows that may be left out to make the rest fit.
        subject: the column that names the person.
        steps: the quasi-identifiers, first as the rules give them, then each time one step coarser.
        sensitive: the sensitive columns.
    """

    k: Annotated[int, msgspec.Meta(ge=1)]
    l: Annotated[int, msgspec.Meta(ge=1)]  # noqa: E741 - the field's own name for it
    unique: float | None
    suppress: float
    subject: ColumnName | None
    steps: Annotated[tuple[tuple[ColumnView, ...], ...], msgspec.Meta(min_length=1)]
    sensitive: tuple[ColumnView, ...] = ()


class Checked(Noun):
    """How a view came through its check.

    Attributes:
        step: how many steps coarser it is than the rules give it.
        smallest: persons in the smallest class that crosses, 0 where nothing crosses.
        left_out: rows that do not cross, of `rows` that were looked at.
    """

    step: Count
    smallest: Count
    left_out: Count
    rows: Count


class ViewSpec(Noun):
    """One view, complete: whoever makes it needs no policy, and whoever shows it needs no data.

    Attributes:
        rows: filters of all matching rules, joined by AND.
        project: the scope inside which pseudonyms are equal.
        sample: a part of the persons, of the rows that the filters leave.
        limit: the most rows, the first ones of what is left then.
        disclosure: what must be true of it before it crosses.
    """

    dataset: DatasetName
    version: Count
    rung: Rung
    columns: tuple[ColumnView, ...]
    rows: tuple[RowFilter, ...] = ()
    purpose: PurposeName | None = None
    project: str = "default"
    sample: Sample | None = None
    limit: Count | None = None
    disclosure: Disclosure | UnsetType = UNSET

    @property
    def partial(self) -> bool:
        """Say whether policy may give some of the rows only; then nothing may tell how many there are in all."""
        return bool(self.rows) or self.sample is not None or self.limit is not None
