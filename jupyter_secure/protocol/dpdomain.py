"""What is public about a dataset that may be asked with differential privacy.

All of it comes from the owner's policy and nothing from the rows: bounds or keys taken from the rows would be answers
without noise. The gate makes a `DpDomain` from the policy and hands it to whoever compiles a question.
"""

from __future__ import annotations

import functools
import math
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from .canonical import digest
from .noun import ColumnName, DatasetName, Noun
from .query import MAX_KEYS
from .view import RowFilter

Positive = Annotated[int, msgspec.Meta(ge=1, le=2**31)]


class NumberDomain(Noun, tag_field="kind", tag="number"):
    """A number, clipped to `[lower, upper]` and rounded to a multiple of `resolution`."""

    name: ColumnName
    lower: float
    upper: float
    resolution: Annotated[float, msgspec.Meta(gt=0)]


class DateDomain(NumberDomain, tag="date"):
    """A date, in whole days since 1970-01-01; a moment falls on the day that it is in `zone`."""

    zone: str


class CategoryDomain(Noun, tag_field="kind", tag="category"):
    """A category with its public keys; every other value counts as unknown. Values are compared as text."""

    name: ColumnName
    keys: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=256)], ...], msgspec.Meta(min_length=1, max_length=MAX_KEYS)
    ]


class OpenDomain(Noun, tag_field="kind", tag="open"):
    """A column whose values nobody listed: one may be told where enough people share it.

    Attributes:
        delta: what a lifetime of such releases may fail by, a decimal string.
    """

    name: ColumnName
    delta: Annotated[str, msgspec.Meta(pattern=r"^0\.[0-9]{1,20}\Z")]


ColumnDomain = NumberDomain | DateDomain | CategoryDomain | OpenDomain


class DpDomain(Noun):
    """Everything public that a question is bound to.

    Attributes:
        privacy_unit: the column that names the person; what is protected is a person's presence, not a row.
        contributions: at most so many rows of one person are used (k).
        max_rows: a public ceiling on the rows of the dataset, for the proof that no sum overflows.
        rows: row filters of the policy; other rows do not exist for this person.
        measure: absent where it is zCDP.
    """

    dataset: DatasetName
    privacy_unit: ColumnName
    contributions: Positive
    columns: tuple[ColumnDomain, ...]
    max_rows: Positive = 10**9
    rows: tuple[RowFilter, ...] = ()
    measure: Literal["pure"] | UnsetType = UNSET

    def digest(self) -> str:
        """Return the digest that questions and normalised columns are bound to."""
        return _digest(self)

    def column(self, name: str) -> ColumnDomain | None:
        """Return one column's facts, or None."""
        return next((column for column in self.columns if column.name == name), None)


@functools.lru_cache(maxsize=16)
def _digest(domain: DpDomain) -> str:
    # A domain may hold 100,000 keys, and every question names its digest.
    return digest(domain)


def default_resolution(lower: float, upper: float, arrow_type: str) -> float:
    """Return a resolution where policy names none: 1 for integers, else a power of ten near a 100,000th of the span."""
    if arrow_type.lstrip("u").startswith("int") or not upper > lower:
        return 1.0
    return float(f"1e{math.floor(math.log10((upper - lower) / 1e5))}")


def needed_columns(domain: DpDomain, asked: frozenset[str]) -> tuple[str, ...]:
    """Return what must be decrypted: the columns asked for, the privacy unit and those of the row filters."""
    return tuple(sorted({*asked, domain.privacy_unit, *(each.column for each in domain.rows)}))
