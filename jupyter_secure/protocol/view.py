"""What may cross to a kernel: rungs of the ladder, row filters, the specification of one view.

`policy` says a `ViewSpec`, `views` does it and the panel shows it; none of them knows the others.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec

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


class ViewSpec(Noun):
    """One view, complete: whoever makes it needs no policy, and whoever shows it needs no data.

    Attributes:
        rows: filters of all matching rules, joined by AND.
        project: the scope inside which pseudonyms are equal.
        sample: a part of the persons, of the rows that the filters leave.
        limit: the most rows, the first ones of what is left then.
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

    @property
    def partial(self) -> bool:
        """Say whether policy may give some of the rows only; then nothing may tell how many there are in all."""
        return bool(self.rows) or self.sample is not None or self.limit is not None
