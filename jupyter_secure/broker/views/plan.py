"""All that a worker needs to make one view, and nothing else.

The gate fills a `ViewPlan` from a decision and sends it to a worker over their private socket. Promises: it holds keys
of only the columns that `needed` names, so that a worker which is taken over can open no other column.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from jupyter_secure.protocol.noun import ColumnName, Count, Noun
from jupyter_secure.protocol.treatment import (
    Bucket,
    Constant,
    Custom,
    FormatPreserving,
    Noise,
    Pseudonym,
    ShiftDates,
    Suppress,
    method,
    subject_of,
)
from jupyter_secure.protocol.view import ColumnView, Disclosure, Listed, RowFilter, Sample

UNREAD = (Constant, Suppress)
Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class Part(Noun):
    """One sealed Parquet file.

    Attributes:
        footer_digest: hex SHA-256 of footer, footer length and magic, as the manifest pins it; checked again when the
            file is opened. Empty only where the caller has no manifest.
        column_keys: data keys by column.
        row_groups: into how many the rows are cut; 0 where the caller does not know.
    """

    path: str
    rows: Count
    footer_key: Key
    column_keys: dict[ColumnName, Key]
    footer_digest: str = ""
    row_groups: Count = 0

    def __repr__(self) -> str:
        return f"Part(rows={self.rows}, columns={sorted(self.column_keys)})"  # no key in a traceback or a log


class PersonList(Noun):
    """A list of persons that a row filter names, with the key of the one column that names them."""

    filter: Listed
    parts: tuple[Part, ...]


class ViewPlan(Noun, tag_field="job", tag="view"):
    """The making of one view.

    Attributes:
        columns: in the order in which they come out.
        recipient: the kernel's X25519 public key.
        info: what the sealed stream is bound to (`protocol.sealing.bind`).
        total: rows of all parts together, before filters.
        rows: filters joined by AND; `lists` has the persons of each that names a list.
        mask_keys: by column, for those whose mask needs one (`keyed`); derived per project, purpose and domain.
        sample: a part of the persons, drawn with `sample_key`, of the rows that the filters leave.
        limit: the most rows.
        disclosure: what must be true of the view.
    """

    parts: tuple[Part, ...]
    columns: tuple[ColumnView, ...]
    recipient: Key
    info: bytes
    total: Count
    rows: tuple[RowFilter, ...] = ()
    lists: tuple[PersonList, ...] = ()
    mask_keys: dict[ColumnName, Key] = msgspec.field(default_factory=dict)
    sample: Sample | None = None
    sample_key: Key | None = None
    limit: Count | None = None
    disclosure: Disclosure | UnsetType = UNSET

    @property
    def looked_at(self) -> tuple[ColumnView, ...]:
        """The columns that come out, and those that the check looks at."""
        return looked_at(self.columns, self.disclosure)

    @property
    def subjects(self) -> set[str]:
        """The columns that name the person, for the masks that go by persons and for the sample."""
        return _subjects(self.looked_at, self.sample, self.disclosure)

    def __repr__(self) -> str:
        return f"ViewPlan(parts={self.parts!r}, total={self.total})"


def looked_at(columns: tuple[ColumnView, ...], disclosure: Disclosure | UnsetType) -> tuple[ColumnView, ...]:
    """Return the columns of a view and those of its check, in every treatment that they may get."""
    if not disclosure:
        return columns
    return (*columns, *(view for step in disclosure.steps for view in step), *disclosure.sensitive)


def needed(
    columns: tuple[ColumnView, ...],
    rows: tuple[RowFilter, ...],
    sample: Sample | None = None,
    disclosure: Disclosure | UnsetType = UNSET,
) -> frozenset[str]:
    """Return the columns whose keys a plan must hold: a hidden column is never read, one that is filtered by is."""
    looked = looked_at(columns, disclosure)
    return read(looked) | _subjects(looked, sample, disclosure) | {row.column for row in rows}


def read(columns: tuple[ColumnView, ...]) -> frozenset[str]:
    """Return the columns whose values are wanted."""
    return frozenset(column.name for column in columns if not isinstance(column.treatment, UNREAD))


def _subjects(
    columns: tuple[ColumnView, ...], sample: Sample | None, disclosure: Disclosure | UnsetType = UNSET
) -> set[str]:
    found = {subject for column in columns if (subject := subject_of(column.treatment))}
    found |= set() if sample is None else {sample.subject}
    return found | ({disclosure.subject} if disclosure and disclosure.subject else set())


def keyed(columns: tuple[ColumnView, ...]) -> dict[str, str]:
    """Return the domain of each column whose mask needs a key; columns of equal domain get equal keys."""
    return {column.name: domain for column in columns if (domain := _domain(column))}


def _domain(column: ColumnView) -> str | None:
    treatment = column.treatment
    match treatment:
        case Pseudonym():
            return treatment.domain
        case ShiftDates():  # all dates of a person move together
            return f"{method(treatment)}/{treatment.subject}"
        case Noise():
            return f"{method(treatment)}/{treatment.subject}/{column.name}"
        case FormatPreserving() | Bucket() | Custom():
            return f"{method(treatment)}/{treatment.domain}"
        case _:
            return None
