"""A notebook's outputs as words, and what is left when some are taken out."""

import pytest

from jupyter_secure.server.outputs import pieces, without, words

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": "x", "attachments": {"a.txt": {"text/plain": "attached-value"}}},
        {
            "cell_type": "code",
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["  name   cost\n0 Ann Lee  12", "34.5\n"]},
                {
                    "output_type": "display_data",
                    "data": {"text/html": "<td>O&#39;Brien</td><td>Zo&euml; Kr&uuml;ger</td>"},
                },
                {
                    "output_type": "error",
                    "ename": "KeyError",
                    "evalue": "'4711-AB'",
                    "traceback": ["\x1b[31mKeyError\x1b[0m: '4711-AB'"],
                },
                {"output_type": "display_data", "data": {"application/json": {"rows": [{"id": 70012345}]}}},
                {"output_type": "display_data", "data": {"image/png": "aGlkZGVuLXBpY3R1cmU="}},
            ],
        },
    ],
    "metadata": {"widgets": {"state": {"1": {"value": "in-a-widget"}}}},
}


def shown(place):
    return words(next(piece for piece in pieces(NOTEBOOK) if (piece.cell, piece.place) == place).content)


def test_every_place_that_may_show_values_is_a_piece():
    assert [(piece.cell, piece.place) for piece in pieces(NOTEBOOK)] == [
        (0, -1), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (-1, -1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ((1, 0), {"1234.5", "name"}), ((1, 1), {"O'Brien", "Zoë Krüger"}), ((1, 2), {"4711-AB"}),
        ((1, 3), {"70012345"}), ((0, -1), {"attached-value"}), ((-1, -1), {"in-a-widget"}),
    ],
)  # fmt: skip
def test_values_are_among_the_words(place, found):
    assert found <= shown(place)


def test_a_name_with_a_blank_is_one_segment_between_wide_gaps():
    assert "Ann Lee" in words({"text": "0  Ann Lee  12\n"})


def test_a_picture_is_no_text():
    assert "aGlkZGVuLXBpY3R1cmU" not in shown((1, 4))


@pytest.mark.parametrize("broken", [None, [], {"cells": 3}, {"cells": [3, {"outputs": 4}]}, {"metadata": 5}, "text"])
def test_what_is_no_notebook_has_no_pieces(broken):
    assert pieces(broken) == []


def test_what_is_taken_out_leaves_a_sentence_and_everything_else():
    import copy

    made = copy.deepcopy(NOTEBOOK)
    taken = {piece: "left out" for piece in pieces(made) if (piece.cell, piece.place) in {(0, -1), (1, 1), (-1, -1)}}
    without(made, taken)
    assert made["cells"][1]["outputs"][1] == {"output_type": "stream", "name": "stderr", "text": "left out\n"}
    assert "attachments" not in made["cells"][0]
    assert made["metadata"] == {}
    assert made["cells"][1]["outputs"][0] == NOTEBOOK["cells"][1]["outputs"][0]
