"""A request for access, from the asking to its end.

Somebody asks for one dataset, as one rung, for one purpose; somebody else approves it for some days or denies it. What
is approved is bound to the rules that were read when it was asked for, by their digests: a changed rule wants a new
request.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from .noun import Count, DatasetName, Noun, PurposeName, RuleId, UserName
from .view import Rung

MAX_DAYS = 366
DAY = 24 * 3600 * 1000  # milliseconds

RequestId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Days = Annotated[int, msgspec.Meta(ge=1, le=MAX_DAYS)]
# One line that says something: it is shown to people and written into tables.
Sentence = Annotated[str, msgspec.Meta(pattern=r"^(?=.*\S)[^\x00-\x1f\x7f]{1,500}\Z")]

# The same, or nothing at all.
Note = Annotated[str, msgspec.Meta(pattern=r"^((?=.*\S)[^\x00-\x1f\x7f]{1,500})?\Z")]


class RequestState(enum.StrEnum):
    """Where a request stands; `broker.requests.state` says what leads where."""

    REQUESTED = "requested"
    APPROVED = "approved"
    DENIED = "denied"
    REVOKED = "revoked"
    EXPIRED = "expired"


class AccessRequest(Noun):
    """One request. Times in milliseconds since 1970.

    Attributes:
        rules: the rules it is about, each with the digest it had when it was asked for.
        days: how long; as asked for, later as decided.
        decided: when and by whom it was approved or denied, with a note; None while it is open.
        until: the first millisecond at which an approval no longer counts.
        ended: when and by whom it was revoked.
    """

    id: RequestId
    user: UserName
    dataset: DatasetName
    rung: Rung
    purpose: PurposeName | None
    rules: dict[RuleId, str]
    reason: Sentence
    days: Days
    asked: Count
    state: RequestState = RequestState.REQUESTED
    decided: Count | None = None
    decided_by: UserName | None = None
    note: str = ""
    until: Count | None = None
    ended: Count | None = None
    ended_by: UserName | None = None


class AccessOffer(Noun):
    """What a person may ask for: a form of a dataset, for one of these purposes (none: the rule names none)."""

    dataset: DatasetName
    rung: Rung
    purposes: tuple[PurposeName, ...]
    max_days: Days


class PurposeOffer(Noun):
    """A purpose that the person's own rules name.

    Attributes:
        acknowledge: what must be acknowledged before it counts; empty if nothing.
        digest: hex SHA-256 of that text, to say which text was acknowledged.
    """

    name: PurposeName
    title: str
    acknowledge: str
    digest: str
    acknowledged: bool
