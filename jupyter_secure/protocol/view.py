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


RowFilter = Comparison | Membership


class ViewSpec(Noun):
    """One view, complete: whoever makes it needs no policy, and whoever shows it needs no data.

    Attributes:
        rows: filters of all matching rules, joined by AND.
        project: the scope inside which pseudonyms are equal.
    """

    dataset: DatasetName
    version: Count
    rung: Rung
    columns: tuple[ColumnView, ...]
    rows: tuple[RowFilter, ...] = ()
    purpose: PurposeName | None = None
    project: str = "default"
