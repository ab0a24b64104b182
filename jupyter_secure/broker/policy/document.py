"""The shapes of a policy file, exactly as it is written; an unknown field is an error.

A document is what somebody typed. What it means is `rules.Policy`, made by `compile`. Numbers that decide how much
privacy is spent are decimal strings, because a binary fraction would make the signed text and the sum in the ledger
differ.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from jupyter_secure.protocol.access import MAX_DAYS
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.noun import ColumnName, Noun, PurposeName, RoleName, RuleId
from jupyter_secure.protocol.query import MAX_KEYS
from jupyter_secure.protocol.treatment import Treatment
from jupyter_secure.protocol.view import Rung

Text = Annotated[str, msgspec.Meta(max_length=500)]
Epsilon = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,4}(\.[0-9]{1,9})?\Z")]
Delta = Annotated[str, msgspec.Meta(pattern=r"^(0\.[0-9]{1,18}|[1-9](\.[0-9]{1,6})?e-[0-9]{1,2})\Z")]
Duration = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,5}[smhd]\Z")]
Audience = Annotated[
    str, msgspec.Meta(pattern=r"^(everyone|role:[a-z][a-z0-9-]{0,62}|user:[a-z0-9][a-z0-9._@-]{0,62})\Z")
]
DatasetOrAll = Annotated[str, msgspec.Meta(pattern=r"^(\*|[a-z][a-z0-9_-]{0,62})\Z")]
DatasetName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}\Z")]
Project = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,62}\Z")]
Hour = Annotated[int, msgspec.Meta(ge=0, le=24)]
Contributions = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Acknowledge = Annotated[str, msgspec.Meta(pattern=r"\S", max_length=4000)]
MaxDays = Annotated[int, msgspec.Meta(ge=1, le=MAX_DAYS)]
Number = int | float
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Host = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Literals = int | float | str | bool
AttributeName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}\Z")]
KeyFileName = Annotated[str, msgspec.Meta(pattern=r"^\w[\w. -]*(/\w[\w. -]*)*\Z", max_length=200)]
Keys = Annotated[tuple[str | int | bool, ...], msgspec.Meta(min_length=1, max_length=MAX_KEYS)]
MethodName = str  # which ones there are is said where rules are compiled


class PolicyTable(Noun):
    """`[policy]`: what holds for the whole file.

    Attributes:
        timezone: the IANA zone in which `hours` and dates without a time are read.
    """

    title: Text = ""
    timezone: str = "UTC"


class BudgetTable(Noun):
    """`[dataset.NAME.budget]`: what may be spent in all, by one person, by one project, and on one question."""

    epsilon: Epsilon
    delta: Delta = "1e-6"
    person: Epsilon | None = None
    project: Epsilon | None = None
    default_query: Epsilon = "0.1"


class KeyFileTable(Noun):
    """Where the keys of a column are listed: read when the policy is applied, and kept with it (`key_lists`).

    Attributes:
        file: beside the policy or in a folder below.
        column: of a CSV file with a header; without it, the file has one key in each line.
    """

    file: KeyFileName
    column: ColumnName | None = None


class DatasetTable(Noun):
    """`[dataset.NAME]`: tags, and everything public that differential privacy needs to know.

    Attributes:
        contributions: the most rows that one privacy unit has.
        bounds: for each number the smallest and largest value, dates for a date; values outside are moved to the edge.
        resolution: for each number the unit in which it is counted exactly.
        keys: for each category column every value that a question may group by, or the file that lists them.
        open_keys: columns whose values may be told where enough people share one, so that nobody lists them before.
        bins: for each number the edges of a histogram.
        max_grant_days: how long an approved request for access may last at most.
    """

    title: Text = ""
    tags: dict[ColumnName, Tag] = msgspec.field(default_factory=dict)
    privacy_unit: ColumnName | None = None
    contributions: Contributions = 1
    bounds: dict[ColumnName, tuple[Number | Day, Number | Day]] = msgspec.field(default_factory=dict)
    resolution: dict[ColumnName, Number] = msgspec.field(default_factory=dict)
    keys: dict[ColumnName, Keys | KeyFileTable] = msgspec.field(default_factory=dict)
    bins: dict[ColumnName, Annotated[tuple[Number, ...], msgspec.Meta(min_length=2, max_length=1000)]] = msgspec.field(
        default_factory=dict
    )
    open_keys: Annotated[tuple[ColumnName, ...], msgspec.Meta(max_length=100)] = ()
    budget: BudgetTable | None = None
    max_grant_days: MaxDays | None = None
    consent: ConsentTable | None = None
    disclosure: DisclosureTable | None = None


class DisclosureTable(Noun):
    """`[dataset.NAME.disclosure]`: what must be true of a view before it crosses; see `protocol.view.Disclosure`.

    Attributes:
        ladder: for each quasi-identifier the masks that are tried, one after another, until the view fits.
    """

    k: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    l: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1  # noqa: E741 - the field's own name for it
    unique: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    suppress: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    ladder: dict[
        ColumnName, Annotated[tuple[MethodName | Treatment, ...], msgspec.Meta(min_length=1, max_length=10)]
    ] = msgspec.field(default_factory=dict)


class ConsentTable(Noun):
    """`[dataset.NAME.consent]`: a sealed list of persons that is joined whenever a view or an answer is made.

    Attributes:
        list: the sealed dataset that holds the list.
        kind: `opt-in` keeps the persons who stand in it, `opt-out` drops them.
        column: names the person in the dataset; default its `privacy_unit`.
        list_column: names the person in the list; default the same name.
    """

    list: DatasetName
    kind: Literal["opt-in", "opt-out"]
    column: ColumnName | None = None
    list_column: ColumnName | None = None


class AttributeTable(Noun):
    """`[attribute.NAME]`: what a role says of whoever holds it, for row filters."""

    roles: Annotated[dict[RoleName, Literals], msgspec.Meta(min_length=1, max_length=1000)]


class PurposeTable(Noun):
    """`[purpose.NAME]`: a purpose that people may state; pseudonyms are equal inside one project.

    Attributes:
        acknowledge: what each person must acknowledge, once for each text, before the purpose counts.
    """

    title: Text = ""
    project: Project | None = None
    acknowledge: Acknowledge | None = None


class RowTable(Noun):
    """One row filter: a column, an operator and a literal, or `eq` and an attribute of whoever asks."""

    column: ColumnName
    op: Literal["eq", "ne", "lt", "le", "gt", "ge", "in"]
    value: Literals | None = None
    values: Annotated[tuple[Literals, ...], msgspec.Meta(min_length=1, max_length=1000)] | None = None
    attribute: AttributeName | None = None


class WhenTable(Noun):
    """Conditions; all that are given must hold."""

    purpose: Annotated[tuple[PurposeName, ...], msgspec.Meta(min_length=1)] | None = None
    mfa_max_age: Duration | None = None
    guard: GuardLevel | None = None
    hours: tuple[Hour, Hour] | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    approval: Literal[True] | None = None


class RuleTable(Noun):
    """`[[rule]]`: to whom, of which datasets and columns, as what, when."""

    id: RuleId
    to: Annotated[tuple[Audience, ...], msgspec.Meta(min_length=1)]
    datasets: Annotated[tuple[DatasetOrAll, ...], msgspec.Meta(min_length=1)] | Literal["*"]
    view: Rung
    except_to: tuple[Audience, ...] = ()
    columns: Annotated[tuple[ColumnName, ...], msgspec.Meta(min_length=1)] | None = None
    tags: Annotated[tuple[Tag, ...], msgspec.Meta(min_length=1)] | None = None
    not_tags: tuple[Tag, ...] = ()
    mask: dict[Tag, MethodName | Treatment] = msgspec.field(default_factory=dict)
    mask_columns: dict[ColumnName, MethodName | Treatment] = msgspec.field(default_factory=dict)
    rows: tuple[RowTable, ...] = ()
    sample: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None
    when: WhenTable = WhenTable()
    advice: Text = ""


class EgressTable(Noun):
    """`[[egress]]`: whose kernels may connect where, through the guard's proxy.

    Attributes:
        after: the views that a kernel may have been given while this stays open; none closes it at the first one.
    """

    id: RuleId
    to: Annotated[tuple[Audience, ...], msgspec.Meta(min_length=1)]
    hosts: Annotated[tuple[Host, ...], msgspec.Meta(min_length=1, max_length=1000)]
    after: tuple[Literal["masked", "raw"], ...] = ()


class OutputsTable(Noun):
    """`[outputs]`: what happens to an output that shows served values when its notebook is saved.

    Attributes:
        least: so many different values make a match.
    """

    on_match: Literal["warn", "strip", "refuse"]
    least: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1


class Document(Noun):
    """A whole policy file."""

    policy: PolicyTable = PolicyTable()
    dataset: dict[DatasetName, DatasetTable] = msgspec.field(default_factory=dict)
    purpose: dict[PurposeName, PurposeTable] = msgspec.field(default_factory=dict)
    attribute: dict[AttributeName, AttributeTable] = msgspec.field(default_factory=dict)
    rule: tuple[RuleTable, ...] = ()
    egress: tuple[EgressTable, ...] = ()
    outputs: OutputsTable | None = None
