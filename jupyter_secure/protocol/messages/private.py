"""Answers about differential privacy: the handle, the gauges of its budgets, and what a question gave."""

from __future__ import annotations

from typing import Literal

from jupyter_secure.protocol.noun import ColumnName, Count, DatasetName, Noun, PurposeName

from .message import Message


class DpColumn(Noun):
    """What a question may say of a column; all of it public, from the policy. Bounds of a date are days since 1970.

    Attributes:
        resolution: of a number; its values are used as multiples of it.
        type: the Arrow type, as pyarrow prints it.
    """

    name: ColumnName
    kind: Literal["number", "date", "category", "open"]
    lower: float | None = None
    upper: float | None = None
    keys: tuple[str, ...] = ()
    resolution: float | None = None
    type: str = ""


class Gauge(Noun):
    """One budget. Epsilon as decimal strings, at the delta given.

    Attributes:
        scope: `dataset` (over all people), `person`, `project` (over its people), or `notebook` (as the person said).
        remaining: None where it would show what colleagues spent.
        renewed: how often the budget was renewed; `cap` and `spent` are those of its lifetime.
    """

    dataset: DatasetName
    scope: Literal["dataset", "person", "project", "notebook"]
    cap: str
    spent: str | None
    remaining: str | None
    delta: str
    renewed: Count = 0


class Spent(Noun):
    """One question that was paid for.

    Attributes:
        time: milliseconds since 1970.
        user: None where the person's part of the entry was erased.
        cost: epsilon, a decimal string.
    """

    time: Count
    dataset: DatasetName
    columns: tuple[ColumnName, ...]
    cost: str
    user: str | None
    notebook: str | None
    seq: Count


class Handle(Message):
    """A view of the rung `dp`: what may be asked, never any data."""

    dataset: DatasetName
    version: Count
    columns: tuple[DpColumn, ...]
    gauges: tuple[Gauge, ...]
    default_epsilon: str
    purpose: PurposeName | None
    seq: Count


class BudgetReply(Message):
    """What is left, and the last questions that spent it, newest first: the person's own, for officers everybody's."""

    gauges: tuple[Gauge, ...]
    history: tuple[Spent, ...] = ()


class Answer(Message):
    """The answer to a question: a small Arrow table behind the descriptor, sealed like a view; a preview has none.

    Attributes:
        cost: epsilon charged, a decimal string; "0" for a repeated question.
        errors: for each aggregate the half-width of its 95 % margin.
        repeated: the identical question had been asked before and is answered from the record.
    """

    dataset: DatasetName
    version: Count
    cost: str
    errors: dict[str, float]
    repeated: bool
    gauges: tuple[Gauge, ...]
    rows: Count = 0
    seal: str = ""
    info: str = ""
    seq: Count = 0
