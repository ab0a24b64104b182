"""The closed algebra of questions with differential privacy (docs/spec/query-v1.md).

A question is data, never code: nothing in it can raise, call out, keep state or name anything but the columns of one
handle. The families below are closed; `queryread.read_question` is the only way from text to a `Question`, and it
checks the bounds that no type can state. Promise: two texts of one meaning-as-written have one canonical form
(defaults filled in, histogram written as the grouped count that it is), so an identical question has one digest.
"""

from __future__ import annotations

from typing import Annotated
from typing import Literal as OneOf

import msgspec
from msgspec import UNSET, UnsetType

from .canonical import digest
from .noun import ColumnName, DatasetName, Noun

MAX_DEPTH = 12
MAX_NODES = 200
NEEDED = "that a key needs to be told"  # in a preview, of the people of an open key
MAX_KEYS = 100_000  # of one category
MAX_GROUPS = MAX_KEYS + 1  # with the group of missing and unknown values
LIMIT = 2**53  # every number lies strictly between -LIMIT and LIMIT: exact as a float and as an integer

WholeNumber = Annotated[int, msgspec.Meta(gt=-LIMIT, lt=LIMIT)]
Decimal = Annotated[float, msgspec.Meta(gt=-LIMIT, lt=LIMIT)]
Number = WholeNumber | Decimal
Literal = WholeNumber | Decimal | Annotated[str, msgspec.Meta(max_length=256)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}\Z")]
Width = Annotated[int, msgspec.Meta(gt=0, lt=LIMIT)] | Annotated[float, msgspec.Meta(gt=0, lt=LIMIT)]


DatePart = OneOf["year", "quarter", "month", "week", "day", "quarter_of_year", "month_of_year", "weekday"]


class Predicate(Noun, tag_field="op"):
    """Base of what `where` may hold; `op` is the tag. Truth is SQL's: a null makes a comparison unknown."""


class And(Predicate, tag="and"):
    """True where every part is true."""

    args: Annotated[tuple[Where, ...], msgspec.Meta(min_length=1, max_length=50)]


class Or(Predicate, tag="or"):
    """True where some part is true."""

    args: Annotated[tuple[Where, ...], msgspec.Meta(min_length=1, max_length=50)]


class Not(Predicate, tag="not"):
    """True where the part is false; unknown stays unknown."""

    arg: Where


class Eq(Predicate, tag="eq"):
    """Column equals the literal."""

    col: ColumnName
    value: Literal


class Ne(Predicate, tag="ne"):
    """Column differs from the literal."""

    col: ColumnName
    value: Literal


class Lt(Predicate, tag="lt"):
    """Number less than the literal."""

    col: ColumnName
    value: Number


class Le(Predicate, tag="le"):
    """Number at most the literal."""

    col: ColumnName
    value: Number


class Gt(Predicate, tag="gt"):
    """Number greater than the literal."""

    col: ColumnName
    value: Number


class Ge(Predicate, tag="ge"):
    """Number at least the literal."""

    col: ColumnName
    value: Number


class In(Predicate, tag="in"):
    """Column equals one of the literals."""

    col: ColumnName
    values: Annotated[tuple[Literal, ...], msgspec.Meta(min_length=1, max_length=1000)]


class Between(Predicate, tag="between"):
    """Number from `lower` to `upper`, both included."""

    col: ColumnName
    lower: Number
    upper: Number


class IsNull(Predicate, tag="is_null"):
    """Column has no value; never unknown."""

    col: ColumnName


Where = And | Or | Not | Eq | Ne | Lt | Le | Gt | Ge | In | Between | IsNull


class Key(Noun):
    """One group key: a category by its public keys, a number by bins of a public width, a date by parts of it.

    Attributes:
        width: width of the bins, which start at multiples of it; None for a category.
        part: of a date; absent from the canonical form where there is none.
    """

    col: ColumnName
    width: Width | None = None
    part: DatePart | UnsetType = UNSET


class Aggregate(Noun, tag_field="op"):
    """Base of what is asked for each group; `op` is the tag and `as` names the result's column."""


class Count(Aggregate, tag="count"):
    """Number of rows; with `col`, of rows where that column has a value."""

    col: ColumnName | None = None
    name: Name | None = msgspec.field(default=None, name="as")


class Sum(Aggregate, tag="sum"):
    """Sum of a number. `lower` and `upper` may only narrow the bounds of the policy: values are clipped to them."""

    col: ColumnName
    lower: Number | None = None
    upper: Number | None = None
    name: Name | None = msgspec.field(default=None, name="as")


class Mean(Aggregate, tag="mean"):
    """Mean of a number over the rows where it has a value; bounds as in `Sum`."""

    col: ColumnName
    lower: Number | None = None
    upper: Number | None = None
    name: Name | None = msgspec.field(default=None, name="as")


class Variance(Aggregate, tag="variance"):
    """Variance of a number over the rows where it has a value (divided by their number); bounds as in `Sum`."""

    col: ColumnName
    lower: Number | None = None
    upper: Number | None = None
    name: Name | None = msgspec.field(default=None, name="as")


class Std(Aggregate, tag="std"):
    """Standard deviation: the root of `Variance`."""

    col: ColumnName
    lower: Number | None = None
    upper: Number | None = None
    name: Name | None = msgspec.field(default=None, name="as")


class Covariance(Aggregate, tag="covariance"):
    """Covariance of two numbers over the rows where both have a value (divided by their number)."""

    col: ColumnName
    other: ColumnName
    name: Name | None = msgspec.field(default=None, name="as")


class Correlation(Aggregate, tag="correlation"):
    """Correlation of two numbers over the rows where both have a value (Pearson)."""

    col: ColumnName
    other: ColumnName
    name: Name | None = msgspec.field(default=None, name="as")


class Quantile(Aggregate, tag="quantile"):
    """Value below which a share `q` of the rows with a value lies; bounds as in `Sum`."""

    col: ColumnName
    q: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    lower: Number | None = None
    upper: Number | None = None
    name: Name | None = msgspec.field(default=None, name="as")


class Persons(Aggregate, tag="persons"):
    """Number of distinct persons (privacy units) among the rows."""

    name: Name | None = msgspec.field(default=None, name="as")


class Histogram(Aggregate, tag="histogram"):
    """Number of rows by bins of one column; stands alone, because the bin becomes the last group key."""

    col: ColumnName
    width: Width | None = None
    name: Name | None = msgspec.field(default=None, name="as")


Asked = Count | Persons | Sum | Mean | Variance | Std | Covariance | Correlation | Quantile | Histogram
Bounded = Sum | Mean | Variance | Std | Quantile


class Question(Noun):
    """One question, version 1."""

    v: Annotated[int, msgspec.Meta(ge=1, le=1)]
    dataset: DatasetName
    aggs: Annotated[tuple[Asked, ...], msgspec.Meta(min_length=1, max_length=8)]
    where: Where | None = None
    group_by: Annotated[tuple[Key, ...], msgspec.Meta(max_length=3)] = ()


def question_digest(question: Noun, *, version: str, domain: str, units: int) -> str:
    """Return the identity of a question: what it says, of what, and how much noise was paid for.

    The budget belongs to it, or a dearer repeat would get the older, noisier answer. The domain (bounds, keys, row
    filters) belongs to it, or a person would get an answer about rows that policy does not let that person ask about.

    Args:
        question: a question or a training, in its canonical form.
        version: digest of the dataset version.
        domain: digest of the public facts the question is bound to.
        units: what is spent, in units of 1e-9 rho.
    """
    return digest({"question": question, "version": version, "domain": domain, "units": units})
