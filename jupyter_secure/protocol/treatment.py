"""How a column may cross to a kernel: one noun per mask, in the form in which policy files write it.

Promises: the family is closed; a treatment checks its own parameters, so that none of nonsense exists anywhere. Their
order of restrictiveness is declared here once, because two rules of equal rung combine to the more restrictive of
their treatments. What each does to a value of each type stands in `broker/views/mask`, one file per method.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal, get_args

import msgspec
from msgspec import UNSET, UnsetType

from .noun import MAX_SAFE_INTEGER, ColumnName, Noun

Number = int | float
Domain = Annotated[str, msgspec.Meta(max_length=128)]
Unit = Literal["day", "week", "month", "quarter", "year", "decade"]
Edges = Annotated[tuple[Number, ...], msgspec.Meta(min_length=1, max_length=1000)]
MaskName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,62}\Z")]


class Keep(Noun, tag_field="method", tag="keep"):
    """The value as it is."""

    label: ClassVar[str] = "as it is"


class Clip(Noun, tag_field="method", tag="clip"):
    """Top and bottom code: a number below `low` comes out as `low`, one above `high` as `high`."""

    label: ClassVar[str] = "clipped"
    low: Number | None = None
    high: Number | None = None

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if self.low is None and self.high is None:
            raise ValueError("clip needs `low` or `high`")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("`low` is above `high`")


class Noise(Noun, tag_field="method", tag="noise"):
    """Random noise on a number, the same at every load; it hides little, and is no differential privacy.

    Attributes:
        scale: standard deviation of `gaussian`, scale of `laplace`, in the column's unit.
        subject: the column that names the person; equal subjects get equal noise. Empty: the dataset's privacy unit.
    """

    label: ClassVar[str] = "with noise"
    scale: Annotated[float, msgspec.Meta(gt=0)]
    distribution: Literal["gaussian", "laplace"] = "gaussian"
    subject: ColumnName | Literal[""] = ""


class ShiftDates(Noun, tag_field="method", tag="shift-dates"):
    """All dates of one person moved by the same secret number of days, so that intervals stay.

    Attributes:
        days: the largest shift, backwards or forwards.
        subject: as in `Noise`.
    """

    label: ClassVar[str] = "with dates shifted"
    days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] = 180
    subject: ColumnName | Literal[""] = ""


class Scrub(Noun, tag_field="method", tag="scrub"):
    """Free text in which identifiers of known form (addresses, numbers, dates) are replaced by their kind."""

    label: ClassVar[str] = "scrubbed"


class Partial(Noun, tag_field="method", tag="partial"):
    """A part of a text, the rest as `***` whatever its length."""

    label: ClassVar[str] = "in part"
    form: Literal["email", "phone", "iban", "card", "tail"]


class FormatPreserving(Noun, tag_field="method", tag="format-preserving"):
    """A keyed token of the same length and alphabet (FF1); separators stay where they are."""

    label: ClassVar[str] = "token of the same form"
    alphabet: Literal["digits", "lower", "upper", "alphanumeric"] = "digits"
    domain: Domain = ""


class Pseudonym(Noun, tag_field="method", tag="pseudonym"):
    """A keyed token: equal values of one domain give equal tokens inside one project and purpose, nowhere else.

    Attributes:
        domain: empty for the column's name.
    """

    label: ClassVar[str] = "pseudonym"
    domain: Domain = ""


class Bucket(Noun, tag_field="method", tag="bucket"):
    """The keyed number of a bucket, from 0; equal values fall into one bucket, as many different ones do."""

    label: ClassVar[str] = "bucket"
    count: Annotated[int, msgspec.Meta(ge=2, le=2**31 - 1)]
    domain: Domain = ""


class Generalize(Noun, tag_field="method", tag="generalize"):
    """A coarser value of the same meaning; the parameters that fit the column's type are used.

    Attributes:
        width: numbers are floored to a multiple of it.
        edges: bands instead of `width`: a number becomes the highest edge that is not above it.
        grid: for floating-point numbers instead of `width`, for example 0.01 for coordinates in degrees; other numbers
            are floored to the coarser of both.
        prefix: strings keep so many characters, the rest becomes `*`.
        unit: dates and times are truncated to the start of it.
    """

    label: ClassVar[str] = "generalized"
    width: Annotated[int, msgspec.Meta(gt=0, le=MAX_SAFE_INTEGER)] = 10
    edges: Edges | UnsetType = UNSET  # absent from the canonical form, so earlier policies keep their digest
    grid: Annotated[float, msgspec.Meta(gt=0)] | UnsetType = UNSET
    prefix: Annotated[int, msgspec.Meta(ge=0, le=64)] = 3
    unit: Unit = "year"

    def __post_init__(self) -> None:
        """Refuse edges that do not rise."""
        if any(one >= other for one, other in pairwise(self.edges or ())):
            raise ValueError("`edges` must rise")


class Custom(Noun, tag_field="method", tag="custom"):
    """A mask of another package, found by its name among the entry points `jupyter_secure.masks`."""

    label: ClassVar[str] = "masked by a plug-in"
    name: MaskName
    options: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
    domain: Domain = ""


class Constant(Noun, tag_field="method", tag="constant"):
    """One value everywhere, also where there was none."""

    label: ClassVar[str] = "constant"
    value: str | int | float | bool


class Redact(Noun, tag_field="method", tag="redact"):
    """A fixed text instead of every value; columns that are not text become null. Nulls stay null."""

    label: ClassVar[str] = "redacted"


class Suppress(Noun, tag_field="method", tag="suppress"):
    """Every value null; the column keeps its name and type, so that code which names it still runs."""

    label: ClassVar[str] = "empty"


Treatment = (
    Keep
    | Clip
    | Noise
    | ShiftDates
    | Scrub
    | Partial
    | FormatPreserving
    | Pseudonym
    | Bucket
    | Generalize
    | Custom
    | Constant
    | Redact
    | Suppress
)
RESTRICTIVENESS: tuple[type[Treatment], ...] = get_args(Treatment)
Keyed = FormatPreserving | Pseudonym | Bucket | Custom  # equal values of one domain come out equal
METHODS: dict[str, type[Treatment]] = {str(kind.__struct_config__.tag): kind for kind in RESTRICTIVENESS}


def method(treatment: Treatment) -> str:
    """Return the name of the method, as policy files write it."""
    return str(treatment.__struct_config__.tag)


def subject_of(treatment: Treatment) -> str | None:
    """Return the column that names the person for a treatment that goes by persons, else None."""
    return treatment.subject if isinstance(treatment, Noise | ShiftDates) else None
