"""What a worker needs to compare words with a view, and what comes back."""

from __future__ import annotations

from jupyter_secure.protocol.noun import ColumnName, Noun

from .plan import ViewPlan


class CompareJob(Noun, tag_field="job", tag="compare"):
    """A view, and the words that may stand in it."""

    plan: ViewPlan
    words: tuple[str, ...]

    def __repr__(self) -> str:
        return f"CompareJob(words={len(self.words)})"


class CompareResult(Noun):
    """By column, the places of the words that occur in few rows."""

    found: dict[ColumnName, tuple[int, ...]]
