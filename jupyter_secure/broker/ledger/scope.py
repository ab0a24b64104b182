"""Whose budget: a dataset over all people, a person, a project, a notebook; and the mark of a renewal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

Kind = Literal["dataset", "person", "project", "notebook", "renewal"]
PAYING = ("dataset", "person")  # what an answer is stored under; who paid besides makes it no other answer
WHOSE = {
    "dataset": "of all people together",
    "person": "your own",
    "project": "of this project",
    "notebook": "that you gave this notebook",
}


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Whose budget: a dataset over all people for its lifetime (versions share it), or a part of it.

    Attributes:
        part: the person, the project, or the notebook of a person; empty for the whole dataset.
    """

    kind: Kind
    dataset: str
    part: str = ""

    @property
    def subject(self) -> str:
        """Return the text that the row is found by; names of datasets hold no slash."""
        return self.dataset if self.kind == "dataset" else f"{self.dataset}/{self.part}"

    @property
    def whose(self) -> str:
        """Return the kind in words; names nobody."""
        return WHOSE[self.kind]


def notebook_scope(dataset: str, person: str, notebook: str) -> Scope:
    """Return the scope of what a person gave a notebook; the path may be long, so its digest stands for it."""
    digest = hashlib.sha256(f"{person}\n{notebook}".encode()).hexdigest()
    return Scope("notebook", dataset, digest)
