"""Where data went: nodes and edges, each edge marked by who vouches for it.

*Attested* edges are made by the broker from what it handed out, and only these are used to enforce. *Reported* edges
are told by the kernel, whose code nobody reviewed, and are shown as such.
"""

from __future__ import annotations

import enum

import msgspec

from .noun import Count, Noun


class NodeKind(enum.StrEnum):
    """What a node stands for."""

    DATASET = "dataset"
    VIEW = "view"
    NOTEBOOK = "notebook"
    FRAME = "frame"
    OUTPUT = "output"


class Assertion(enum.StrEnum):
    """Who vouches for an edge."""

    ATTESTED = "attested"
    REPORTED = "reported"


class Node(Noun):
    """A thing; `id` is stable and unique inside one vault."""

    id: str
    kind: NodeKind
    label: str
    detail: dict[str, str] = msgspec.field(default_factory=dict)


class Edge(Noun):
    """`source` flowed into `target`."""

    source: str
    target: str
    assertion: Assertion
    time: Count
    seq: Count | None = None


class Graph(Noun):
    """What one notebook derives from."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
