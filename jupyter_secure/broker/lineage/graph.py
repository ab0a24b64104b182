"""The attested graph of one notebook: dataset version -> view -> notebook, from the audit log alone. Pure.

Every edge is there because the broker handed something out and logged it, so code in a kernel can neither add nor hide
one. Loads of the same view are one node that counts them. Entries whose personal part was erased no longer say which
notebook they belong to and are left out. Ids are stable, and nodes and edges always come in the order of first use.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import PurePosixPath

from jupyter_secure.protocol.canonical import digest
from jupyter_secure.protocol.lineage import Assertion, Edge, Graph, Node, NodeKind
from jupyter_secure.protocol.record import Entry, Header, Kind
from jupyter_secure.protocol.view import Rung

# What to ask the log for: flows of the notebook, and every sealing.
FLOWS = (Kind.LOAD_DELIVERED, Kind.QUERY_ANSWERED)
ORIGINS = (Kind.DATASET_SEALED,)


def build(notebook: str, entries: Iterable[Entry]) -> Graph:
    """Return what a notebook derives from.

    Args:
        notebook: its path, as the log has it.
        entries: in any order; entries of other notebooks and of other kinds are passed over.
    """
    ordered = sorted(entries, key=lambda entry: entry.seq)
    views: dict[str, list[Entry]] = {}
    for entry in ordered:
        if _crossed(entry.header) and entry.personal is not None and entry.personal.notebook == notebook:
            views.setdefault(_view_id(entry.header), []).append(entry)
    if not views:
        return Graph(nodes=(), edges=())
    sealed = {_dataset_id(entry.header): entry.header for entry in ordered if entry.header.kind in ORIGINS}
    target = Node(id=f"notebook:{notebook}", kind=NodeKind.NOTEBOOK, label=PurePosixPath(notebook).name)
    datasets: dict[str, Node] = {}
    nodes: list[Node] = []
    edges: list[Edge] = []
    for view, uses in views.items():
        first, last = uses[0].header, uses[-1]
        source = _dataset_id(first)
        datasets.setdefault(source, _dataset(source, first, sealed.get(source)))
        nodes.append(_view(view, uses))
        edges += [_edge(source, view, last), _edge(view, target.id, last)]
    return Graph(nodes=(*datasets.values(), *nodes, target), edges=tuple(edges))


def _crossed(header: Header) -> bool:
    # A private handle and a preview say what may be asked; nothing of the data was in them.
    handle = header.kind is Kind.LOAD_DELIVERED and header.rung == Rung.DP
    return header.kind in FLOWS and not handle and "preview" not in header.extra


def _dataset_id(header: Header) -> str:
    return f"dataset:{header.dataset}@{header.version}"


def _view_id(header: Header) -> str:
    # A view without a digest of its own is told apart by what the log says of it.
    made_of = [header.dataset, header.version, header.rung, list(header.columns)]
    return f"view:{header.dataset}@{header.version}:{header.view or digest(made_of)}"


def _dataset(name: str, header: Header, sealed: Header | None) -> Node:
    detail = {"dataset": str(header.dataset), "version": str(header.version)}
    if sealed is not None:
        # Not its number of rows: that is itself private to whoever may only ask, or may see only some of them.
        detail["sealed"] = _moment(sealed.time)
    return Node(id=name, kind=NodeKind.DATASET, label=f"{header.dataset} v{header.version}", detail=detail)


def _view(name: str, uses: list[Entry]) -> Node:
    first, last = uses[0].header, uses[-1].header
    asked = last.kind is Kind.QUERY_ANSWERED
    rung = last.rung or ("dp" if asked else "unknown")
    detail = {
        "rung": rung,
        "columns": ", ".join(last.columns),
        "count": str(len(uses)),
        "first": _moment(first.time),
        "last": _moment(last.time),
    }
    for field, value in (("rows", last.rows), ("policy", last.policy), ("view", last.view)):
        if value is not None:
            detail[field] = str(value)
    label = f"{rung} {'answer' if asked else 'view'}"
    return Node(id=name, kind=NodeKind.VIEW, label=label, detail=detail)


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _edge(source: str, target: str, last: Entry) -> Edge:
    return Edge(source=source, target=target, assertion=Assertion.ATTESTED, time=last.header.time, seq=last.seq)
