"""What may cross to a kernel: rungs of the ladder, treatments of columns, the specification of one view.

`policy` says a `ViewSpec`, `views` does it and the panel shows it; none of them knows the others. Treatments form a
closed family; their order of restrictiveness is declared here once, because two rules of equal rung combine to the
most restrictive of their treatments.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec

from .noun import MAX_SAFE_INTEGER, ColumnName, Count, DatasetName, Noun, PurposeName, RuleId


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


class Keep(Noun, tag_field="method", tag="keep"):
    """The value as it is."""


class Pseudonym(Noun, tag_field="method", tag="pseudonym"):
    """A keyed token: equal values of one domain give equal tokens inside one project and purpose, nowhere else."""

    domain: str


class Generalize(Noun, tag_field="method", tag="generalize"):
    """A coarser value of the same meaning; exactly one of the parameters that fits the column's type is used.

    Attributes:
        width: numbers are floored to a multiple of it.
        prefix: strings keep so many characters, the rest becomes `*`.
        unit: dates and times are truncated to the start of it.
    """

    width: Annotated[int, msgspec.Meta(gt=0, le=MAX_SAFE_INTEGER)] = 10
    prefix: Annotated[int, msgspec.Meta(ge=0, le=64)] = 3
    unit: Literal["month", "year", "decade"] = "year"


class Redact(Noun, tag_field="method", tag="redact"):
    """A fixed text instead of every value; columns that are not text become null. Nulls stay null."""


class Suppress(Noun, tag_field="method", tag="suppress"):
    """Every value null; the column keeps its name and type, so that code which names it still runs."""


Treatment = Keep | Pseudonym | Generalize | Redact | Suppress
RESTRICTIVENESS: tuple[type[Noun], ...] = (Keep, Pseudonym, Generalize, Redact, Suppress)


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
