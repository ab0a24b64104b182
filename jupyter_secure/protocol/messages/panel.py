"""What the sidebar shows of the notebook in front of the person: datasets, reasons, budgets, log and lineage."""

from __future__ import annotations

from typing import Annotated

import msgspec

from jupyter_secure.protocol.lineage import Graph
from jupyter_secure.protocol.noun import ColumnName, Count, DatasetName, NotebookPath
from jupyter_secure.protocol.record import Entry

from .message import Confidential, Message, Text


class PanelCatalog(Confidential):
    """What the person may use; answered by `CatalogReply`. Without a grant the guard level counts as G0."""

    ticket: Text
    grant: Text | None = None


class PanelWhy(Confidential):
    """The panel's `why?`. Answered by `WhyReply`."""

    ticket: Text
    dataset: DatasetName
    column: ColumnName | None = None
    grant: Text | None = None


class PanelBudget(Confidential):
    """Gauges for all datasets that the person may query. Answered by `BudgetReply`."""

    ticket: Text
    grant: Text | None = None


class PanelLog(Confidential):
    """Entries of one notebook, newest first; officers see everybody's, others their own. Answered by `LogReply`.

    Attributes:
        before: only entries with a smaller sequence number.
        notebook: None asks for all notebooks.
    """

    ticket: Text
    notebook: NotebookPath | None = None
    before: Count | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class PanelLineage(Confidential):
    """The graph of one notebook. Answered by `LineageReply`."""

    ticket: Text
    notebook: NotebookPath


class LogReply(Message):
    """A page of entries with the signed checkpoint that covers them."""

    entries: tuple[Entry, ...]
    checkpoint: str


class LineageReply(Message):
    """A graph."""

    graph: Graph


class Done(Message):
    """Nothing more to say."""


class Changed(Message):
    """Something that the panel shows has changed; holds no content. `notebook` None means anywhere."""

    notebook: NotebookPath | None = None
