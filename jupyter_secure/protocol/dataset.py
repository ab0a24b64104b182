"""What is sealed: datasets, their versions and their columns."""

from __future__ import annotations

import enum
from typing import Literal

from .noun import ColumnName, Count, DatasetName, Noun

# How the cost of private answers is counted: zero-concentrated differential privacy, which serves many questions, or
# pure epsilon, which serves a few precise ones. Fixed when a dataset is first sealed, because what was spent in one
# measure is not known in the other (docs/adr/0023-the-measure.md).
Measure = Literal["zcdp", "pure"]


class Tag(enum.StrEnum):
    """What a column can do to a person (ISO/IEC 20889 terms). A column without a tag is denied."""

    DIRECT = "direct"  # names the person: name, number, address
    QUASI = "quasi"  # names the person together with others: birth date, postcode
    SENSITIVE = "sensitive"  # what must not be tied to the person: diagnosis
    MEASURE = "measure"  # a quantity of interest
    PUBLIC = "public"  # says nothing about a person


class Column(Noun):
    """One column of a dataset version.

    Attributes:
        type: the Arrow type as pyarrow prints it, for example `int64` or `timestamp[us]`.
        tag: what the steward confirmed when the data was sealed; None means not confirmed, hence denied.
    """

    name: ColumnName
    type: str
    tag: Tag | None = None


class DatasetVersion(Noun):
    """One immutable version.

    Attributes:
        version: 1, 2, ...; only grows.
        digest: hex SHA-256 of the signed manifest's payload; names the version in log and lineage.
        measure: of private answers; the same in every version.
    """

    name: DatasetName
    version: Count
    digest: str
    rows: Count
    columns: tuple[Column, ...]
    sealed_at: Count
    measure: Measure = "zcdp"
