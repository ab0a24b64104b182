"""The attested graph of one notebook."""

from __future__ import annotations

import random

from jupyter_secure.broker.lineage.graph import build
from jupyter_secure.protocol.lineage import Assertion, NodeKind
from jupyter_secure.protocol.record import Entry, Header, Kind, Personal


def entry(seq: int, kind: Kind = Kind.LOAD_DELIVERED, notebook: str | None = "work/a.ipynb", **fields) -> Entry:
    given = {"dataset": "patients", "version": 1, "rung": "masked", "columns": ("zip",), "rows": 10, **fields}
    header = Header(time=seq * 1000, kind=kind, outcome="done", **given)
    return Entry(seq=seq, header=header, commitment="", personal=Personal(user="ann", notebook=notebook))


def test_a_load_makes_a_path_from_dataset_to_notebook():
    graph = build("work/a.ipynb", [entry(3, view="v1", policy="p1")])
    dataset, view, notebook = graph.nodes
    assert [node.kind for node in graph.nodes] == [NodeKind.DATASET, NodeKind.VIEW, NodeKind.NOTEBOOK]
    assert (dataset.id, dataset.label) == ("dataset:patients@1", "patients v1")
    assert (view.id, view.label) == ("view:patients@1:v1", "masked view")
    assert (notebook.id, notebook.label) == ("notebook:work/a.ipynb", "a.ipynb")
    assert [(edge.source, edge.target) for edge in graph.edges] == [(dataset.id, view.id), (view.id, notebook.id)]
    assert {(edge.assertion, edge.seq, edge.time) for edge in graph.edges} == {(Assertion.ATTESTED, 3, 3000)}


def test_repeated_loads_of_one_view_are_one_node_that_counts():
    graph = build("work/a.ipynb", [entry(number, view="v1") for number in (1, 4, 9)])
    assert len(graph.nodes) == 3
    detail = graph.nodes[1].detail
    assert (detail["count"], detail["first"], detail["last"]) == (
        "3",
        "1970-01-01 00:00:01 UTC",
        "1970-01-01 00:00:09 UTC",
    )
    assert {edge.seq for edge in graph.edges} == {9}


def test_views_that_differ_are_told_apart_even_without_a_digest():
    graph = build("work/a.ipynb", [entry(1), entry(2, columns=("zip", "cost")), entry(3, rung="raw"), entry(4)])
    views = [node for node in graph.nodes if node.kind is NodeKind.VIEW]
    assert [view.detail["count"] for view in views] == ["2", "1", "1"]


def test_an_answered_question_is_a_view_of_its_own():
    graph = build("work/a.ipynb", [entry(1, Kind.QUERY_ANSWERED, rung=None, rows=None, view="q1")])
    assert graph.nodes[1].label == "dp answer"


def test_a_handle_and_a_preview_are_no_flow():
    handle = entry(1, rung="dp", rows=None)
    preview = entry(2, Kind.QUERY_ANSWERED, rung="dp", rows=None, extra={"preview": "yes"})
    assert build("work/a.ipynb", [handle, preview]).nodes == ()


def test_the_dataset_says_when_it_was_sealed_and_not_how_many_rows_it_has():
    sealed = entry(0, Kind.DATASET_SEALED, notebook=None, rows=1566, rung=None)
    graph = build("work/a.ipynb", [sealed, entry(1)])
    assert graph.nodes[0].detail == {
        "dataset": "patients",
        "version": "1",
        "sealed": "1970-01-01 00:00:00 UTC",
    }


def test_other_notebooks_refusals_and_erased_entries_are_left_out():
    erased = Entry(seq=5, header=entry(5).header, commitment="", personal=None)
    others = [entry(1, notebook="b.ipynb"), entry(2, Kind.LOAD_DECIDED), entry(3, Kind.LOAD_FAILED), erased]
    assert build("work/a.ipynb", others).nodes == ()


def test_a_sealed_dataset_that_nobody_loaded_is_not_in_the_graph():
    assert build("work/a.ipynb", [entry(0, Kind.DATASET_SEALED, notebook=None)]).edges == ()


def test_the_order_of_the_entries_does_not_matter():
    entries = [entry(number, view=f"v{number % 3}", version=number % 2) for number in range(1, 20)]
    shuffled = random.Random(1).sample(entries, len(entries))
    assert build("work/a.ipynb", entries) == build("work/a.ipynb", shuffled)


def test_every_edge_joins_two_nodes():
    graph = build("work/a.ipynb", [entry(number, view=f"v{number % 3}", version=number % 2) for number in range(9)])
    ids = {node.id for node in graph.nodes}
    assert len(ids) == len(graph.nodes)
    assert all({edge.source, edge.target} <= ids for edge in graph.edges)
