"""A policy as it is decided and signed: nothing left to look up, nothing that depends on the order of the file.

`Terms` is the canonical form. Its digest names the policy in decisions, in the log and in the archive. Numbers for
differential privacy are decimal strings, instants are milliseconds since 1970, ages are seconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from jupyter_secure.protocol.canonical import digest
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.noun import Count, Noun
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.treatment import Treatment
from jupyter_secure.protocol.view import RowFilter, Rung

DEFAULT_DAYS = 90  # of an approved request, where the policy does not say


class Budget(Noun):
    """What may be spent on a dataset, as epsilon at `delta`; decimal strings. A project may have no cap of its own."""

    epsilon: str
    delta: str
    person: str
    default_query: str
    project: str | UnsetType = UNSET


class Consent(Noun):
    """See `document.ConsentTable`; both columns are named."""

    dataset: str
    column: str
    list_column: str
    keep: bool


class DisclosureTerms(Noun):
    """See `document.DisclosureTable`."""

    k: int
    l: int  # noqa: E741 - the field's own name for it
    unique: float | None
    suppress: float
    ladder: dict[str, tuple[Treatment, ...]]


class OwnValue(Noun, tag_field="op", tag="own"):
    """A row filter that compares a column with what the roles of whoever asks say of an attribute."""

    column: str
    attribute: str


class DatasetTerms(Noun):
    """What the policy says of a dataset; see `document.DatasetTable`. Numbers are decimal strings.

    A field that is UNSET is absent from the canonical form, so policies that were signed before there was such a field
    keep their digest.
    """

    title: str = ""
    tags: dict[str, Tag] = msgspec.field(default_factory=dict)
    privacy_unit: str | None = None
    contributions: int = 1
    bounds: dict[str, tuple[str, str]] = msgspec.field(default_factory=dict)
    resolution: dict[str, str] = msgspec.field(default_factory=dict)
    keys: dict[str, tuple[str | int | bool, ...]] = msgspec.field(default_factory=dict)
    bins: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    budget: Budget | None = None
    max_grant_days: int | UnsetType = UNSET
    consent: Consent | UnsetType = UNSET
    disclosure: DisclosureTerms | UnsetType = UNSET
    open_keys: tuple[str, ...] | UnsetType = UNSET

    @property
    def private(self) -> bool:
        """Say whether questions with differential privacy can be answered at all."""
        return self.privacy_unit is not None and self.budget is not None

    @property
    def longest(self) -> int:
        """Return how many days an approved request may last."""
        return self.max_grant_days or DEFAULT_DAYS

    def askable(self, column: str) -> bool:
        """Say whether a private question may name the column: the policy must say how its values may appear."""
        return column in self.bounds or column in self.keys or column in (self.open_keys or ())


class PurposeTerms(Noun):
    """A purpose that may be stated, the project inside which its pseudonyms are equal, what one must acknowledge."""

    title: str
    project: str
    acknowledge: str | UnsetType = UNSET


class Audience(Noun):
    """Whom a rule addresses, or does not address."""

    everyone: bool = False
    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    def holds(self, principal: Principal) -> bool:
        """Say whether the principal belongs to it."""
        return self.everyone or principal.name in self.users or any(role in self.roles for role in principal.roles)


class When(Noun):
    """Conditions; None means no condition.

    Attributes:
        hours: first hour and the hour after the last, in the policy's time zone; 22 to 6 spans midnight.
        valid_until: the first millisecond at which the rule no longer holds.
        approval: somebody else must have approved a request for access.
    """

    purpose: tuple[str, ...] | None = None
    mfa_max_age: int | None = None
    guard: GuardLevel | None = None
    hours: tuple[int, int] | None = None
    valid_from: int | None = None
    valid_until: int | None = None
    approval: bool | UnsetType = UNSET


class Rule(Noun):
    """One compiled rule.

    Attributes:
        datasets: names, or `*` alone for every declared dataset.
        masks: by tag; `column_masks` by column name goes before. A pseudonym of empty domain takes the column's name.
    """

    id: str
    to: Audience
    except_to: Audience
    datasets: tuple[str, ...]
    rung: Rung
    columns: tuple[str, ...] | None = None
    tags: tuple[Tag, ...] | None = None
    not_tags: tuple[Tag, ...] = ()
    masks: dict[Tag, Treatment] = msgspec.field(default_factory=dict)
    column_masks: dict[str, Treatment] = msgspec.field(default_factory=dict)
    rows: tuple[RowFilter | OwnValue, ...] = ()
    when: When = When()
    advice: str = ""
    sample: float | UnsetType = UNSET
    limit: int | UnsetType = UNSET

    def addresses(self, principal: Principal) -> bool:
        """Say whether the rule speaks of this principal."""
        return self.to.holds(principal) and not self.except_to.holds(principal)

    def names(self, dataset: str) -> bool:
        """Say whether the rule speaks of this (declared) dataset."""
        return dataset in self.datasets or self.datasets == ("*",)

    def selects(self, column: str, tag: Tag | None) -> bool:
        """Say whether every selector that is given matches; an untagged column matches no tag."""
        if self.columns is not None and column not in self.columns:
            return False
        if self.tags is not None and tag not in self.tags:
            return False
        return tag not in self.not_tags


def rule_digest(rule: Rule) -> str:
    """Return what an approval is bound to: any change of the rule changes it."""
    return digest(rule)


class Target(Noun):
    """Where a kernel may connect to.

    Attributes:
        host: in its normal form; `below`: what lies below that name, not the name itself.
        port: 0 for those of the web.
    """

    host: str
    below: bool = False
    port: int = 0

    @property
    def shown(self) -> str:
        """Return it as a person writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return ("*." if self.below else "") + host + (f":{self.port}" if self.port else "")


class Egress(Noun):
    """Whose kernels may connect where; `after`: the views that they may have been given while it stays open."""

    id: str
    to: Audience
    hosts: tuple[Target, ...]
    after: tuple[Rung, ...] = ()


class Outputs(Noun):
    """What happens to saved outputs that show at least so many served values."""

    on_match: Literal["warn", "strip", "refuse"]
    least: Count = 1


class Terms(Noun):
    """The whole policy; `rules` are ordered by id, `attributes` give for each role what it says of its holder."""

    format: int
    timezone: str
    datasets: dict[str, DatasetTerms]
    purposes: dict[str, PurposeTerms]
    rules: tuple[Rule, ...]
    attributes: dict[str, dict[str, str | int | float | bool]] | UnsetType = UNSET
    egress: tuple[Egress, ...] | UnsetType = UNSET
    outputs: Outputs | UnsetType = UNSET
