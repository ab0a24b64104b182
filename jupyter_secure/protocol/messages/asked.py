"""What code in a notebook may ask.

No request names a person, a kernel, a notebook or a guard level: all that comes from the records of the relay and
the broker.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from jupyter_secure.protocol.access import Days, Sentence
from jupyter_secure.protocol.noun import ColumnName, Count, DatasetName, PurposeName
from jupyter_secure.protocol.view import Rung

from .message import ChallengeId, Confidential, Message

MOST_ROWS = 10**9  # that a group may be said to have


class Hello(Message):
    """Bind the kernel's ephemeral X25519 public key (base64) to its grant. Answered by `Welcome`."""

    public_key: Annotated[str, msgspec.Meta(max_length=64)]


class Catalog(Message):
    """Ask what may be used here, and as what. Answered by `CatalogReply`."""


class Status(Message):
    """Ask who the broker thinks is asking. Answered by `StatusReply`."""


class Load(Message):
    """Ask for a view. Answered by `Delivery` with a descriptor, or by `Handle` for the rung `dp`.

    Attributes:
        rung: the highest rung wanted; None means the highest permitted.
        columns: None means all permitted.
    """

    dataset: DatasetName
    rung: Rung | None = None
    columns: Annotated[tuple[ColumnName, ...], msgspec.Meta(max_length=5000)] | None = None
    purpose: PurposeName | None = None


class Why(Message):
    """Ask why columns come out as they do. Answered by `WhyReply`."""

    dataset: DatasetName
    column: ColumnName | None = None
    purpose: PurposeName | None = None


class Budget(Message):
    """Ask what is left to spend. Answered by `BudgetReply`.

    Attributes:
        allow: what this notebook may spend of the dataset in all, an epsilon; a further cap that the person sets.
    """

    dataset: DatasetName | None = None
    allow: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,4}(\.[0-9]{1,9})?\Z")] | None = None


class Query(Message):
    """Ask a question with differential privacy, in the closed algebra of docs/spec/query-v1.md.

    Answered by `Answer` with a descriptor.

    Attributes:
        question: the JSON text of the question.
        epsilon: what to spend on it, a decimal string; None takes the policy's default.
        preview: say the cost and the expected error, spend nothing.
        rows: of a preview, how large the groups are about for which margins of means and the like are told.
    """

    question: Annotated[str, msgspec.Meta(max_length=32768)]
    epsilon: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,4}(\.[0-9]{1,9})?\Z")] | None = None
    purpose: PurposeName | None = None
    preview: bool = False
    rows: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)] | None = None


class StepUp(Confidential):
    """Ask whether a challenge that this kernel got with a refusal is proved by now. Answered by `SteppedUp`.

    Attributes:
        code: the code of an app, typed in the cell; None only asks.
    """

    challenge: ChallengeId
    code: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6}\Z")] | None = None


class AskAccess(Message):
    """Ask for what policy gives only once somebody has approved it. Answered by `AccessReply`.

    Attributes:
        rung: None means the highest that can be asked for.
    """

    dataset: DatasetName
    reason: Sentence
    days: Days
    rung: Rung | None = None
    purpose: PurposeName | None = None


class Cancel(Message):
    """Stop the request of that id. Never answered."""

    request: Count


KernelRequest = Hello | Catalog | Status | Load | Why | Budget | Query | StepUp | AskAccess | Cancel
