"""Outputs that are about to be saved, compared with what was served: words go in, which of them were served comes out.

Whoever asks learns nothing that the person's own kernels were not given.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from jupyter_secure.protocol.noun import ColumnName, Count, DatasetName, NotebookPath, Noun

from .message import Confidential, Message, Text

Word = Annotated[str, msgspec.Meta(max_length=256)]
MAX_WORDS = 20_000  # of one save


class OutputWords(Noun):
    """The words of one output of a notebook."""

    words: Annotated[tuple[Word, ...], msgspec.Meta(max_length=MAX_WORDS)]


class Compare(Confidential):
    """Ask which outputs show values that the person was served. Answered by `Compared`."""

    ticket: Text
    notebook: NotebookPath
    outputs: Annotated[tuple[OutputWords, ...], msgspec.Meta(max_length=MAX_WORDS)]


class Match(Noun):
    """One output that shows served values.

    Attributes:
        output: its place in the question.
        values: how many different ones.
    """

    output: Count
    dataset: DatasetName
    columns: tuple[ColumnName, ...]
    values: Count


class Compared(Message):
    """What was found, and what policy wants done.

    Attributes:
        unknown: the person's kernels were given something before the broker started, or more than is kept, so no
            output can be called clean.
    """

    action: Literal["off", "warn", "strip", "refuse"]
    matches: tuple[Match, ...] = ()
    unknown: bool = False
