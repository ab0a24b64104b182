"""Checks a view before any of it crosses: whether each combination of quasi-identifiers stands for enough persons.

Promises: what is counted is what would come out, masks and all; classes are told apart by 64-bit keyed tokens of a key
that lives as long as the job, so that nobody can make two of them look alike (two of n do by chance with n^2 / 2^65);
a null is a value like any other; a column that cannot be told apart in this way fails the check.

Steps, for each step of the plan from the finest on: read only the columns that are looked at -> mask them -> count the
persons and the different sensitive values of each class -> leave out the classes that do not fit, if policy lets so
many rows go -> else the next step, and after the last one nothing crosses.

Memory: 8 bytes for each row and column of tokens (quasi-identifiers share one).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from msgspec.structs import replace

from jupyter_secure.protocol.errors import DisclosureError
from jupyter_secure.protocol.view import Checked, ColumnView, Disclosure

from .jobs import Report
from .mask.buffers import Array, plain_type
from .mask.pseudonym import kind_of
from .mask.tokens import Tokens
from .masking import arrays, choose_masks
from .plan import UNREAD, ViewPlan, read
from .scan import Scan
from .sift import Batch, picked, sifted

CLASS, PERSON = "class", "person"


@dataclass(frozen=True)
class Fit:
    """A plan that fits, and which rows of it.

    Attributes:
        plan: with the treatments of the step that fits.
        reads: the columns that making it takes; None for all.
        checked: how it came out; None where nothing was asked.
    """

    plan: ViewPlan
    reads: frozenset[str] | None = None
    checked: Checked | None = None
    classes: _Tokens | None = None
    unfit: Array | None = None

    def kept(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Return the batches without the rows of classes that do not fit."""
        if self.classes is None or self.unfit is None or not len(self.unfit):
            yield from batches
            return
        for height, columns in batches:
            yield picked(columns, np.isin(self.classes.of(height, columns), self.unfit, invert=True))


def check(plan: ViewPlan, scan: Scan, report: Report) -> Fit:
    """Return the finest step of a plan that fits.

    Raises:
        DisclosureError: none does.
    """
    asked = plan.disclosure
    if not asked:
        return Fit(plan)
    look = _Look(plan, asked, scan, report)
    for step, quasi in enumerate(asked.steps):
        classes = _Tokens(quasi, look, "class")
        found = look.measured(classes)
        unfit = found.filter(_unfit(found, asked))
        rows, left_out = int(found["len"].sum()), int(unfit["len"].sum())
        if left_out <= asked.suppress * rows:
            fits = found.filter(~found[CLASS].is_in(unfit[CLASS].implode()))[PERSON]
            checked = Checked(step=step, smallest=int(fits.min() or 0), left_out=left_out, rows=rows)
            fitting = _coarser(plan, quasi)
            reads = read(fitting.columns) | fitting.subjects | (read(quasi) if left_out else frozenset())
            return Fit(fitting, reads, checked, classes, unfit[CLASS].to_numpy())
    raise DisclosureError(detail="no step fits")


def _unfit(found: pl.DataFrame, asked: Disclosure) -> pl.Series:
    unfit = found[PERSON] < asked.k
    for place in range(len(asked.sensitive)):
        unfit |= found[str(place)] < asked.l
    alone = found[PERSON] == 1
    if asked.unique is not None and int(found.filter(alone)["len"].sum()) > asked.unique * int(found["len"].sum()):
        unfit |= alone
    return unfit


def _coarser(plan: ViewPlan, quasi: tuple[ColumnView, ...]) -> ViewPlan:
    by_name = {view.name: view for view in quasi}
    return replace(plan, columns=tuple(by_name.get(view.name, view) for view in plan.columns))


class _Look:
    """A pass over the columns that are looked at."""

    def __init__(self, plan: ViewPlan, asked: Disclosure, scan: Scan, report: Report) -> None:
        self.plan = plan
        self.types = scan.types
        self.key = secrets.token_bytes(32)
        self._asked = asked
        self._scan = scan
        self._report = report
        self._sensitive = [_Tokens((view,), self, f"sensitive {place}") for place, view in enumerate(asked.sensitive)]
        subject = asked.subject
        self._reads = read((*(view for step in asked.steps for view in step), *asked.sensitive)) | plan.subjects
        self._person = Tokens(self.types[subject], self.key, PERSON) if subject else None

    def measured(self, classes: _Tokens) -> pl.DataFrame:
        """Return for each class its rows (`len`), its persons, and the different values of each sensitive column."""
        pieces: list[dict[str, Array]] = [{name: np.zeros(0, np.uint64) for name in self._names()}]
        first = 0
        for height, columns in sifted(self._scan.batches(self._reads), self.plan, self.types):
            self._report(0)  # a sign of life: nothing of the view is done yet
            sensitive = [tokens.of(height, columns) for tokens in self._sensitive]
            person = self._persons(first, height, columns)
            pieces.append(dict(zip(self._names(), [classes.of(height, columns), person, *sensitive], strict=True)))
            first += height
        table = pl.DataFrame({name: np.concatenate([piece[name] for piece in pieces]) for name in self._names()})
        return table.group_by(CLASS).agg(pl.len(), pl.all().n_unique())

    def _names(self) -> list[str]:
        return [CLASS, PERSON, *map(str, range(len(self._sensitive)))]

    def _persons(self, first: int, height: int, columns: dict[str, pa.Array]) -> Array:
        if self._person is None or self._asked.subject is None:  # then each row stands for itself
            return np.arange(first, first + height, dtype=np.uint64)
        return self._person.of(columns[self._asked.subject])[0]  # rows that name nobody count as one person


class _Tokens:
    """One token for each row: of what comes out in some columns together."""

    def __init__(self, views: tuple[ColumnView, ...], look: _Look, use: str) -> None:
        read = tuple(view for view in views if not isinstance(view.treatment, UNREAD))
        self._masks = choose_masks(look.plan, look.types, read)
        # A key for each column: then the sum of the tokens tells combinations apart as a single one would.
        self._tokens = [
            self._of(mask.wire, look.key, f"{use} {place}") for place, mask in enumerate(self._masks.values())
        ]

    def _of(self, wire: Any, key: bytes, use: str) -> Tokens | None:
        kind = plain_type(wire)
        if pa.types.is_null(kind):
            return None
        if not kind_of(kind):
            raise DisclosureError(detail="a column of a type whose values cannot be told apart")
        return Tokens(kind, key, use)

    def of(self, height: int, columns: dict[str, pa.Array]) -> Array:
        """Return uint64 tokens."""
        total = np.zeros(height, np.uint64)
        for tokens, array in zip(self._tokens, arrays(height, columns, self._masks), strict=True):
            if tokens is not None:
                total += tokens.of(array)[0]
        return total
