"""A private dataset that looks like a small pandas frame and only ever builds questions.

    p[p.age > 40].groupby("sex").cost.mean(epsilon=0.1)
    p.hist("age", width=10)
    p.preview().count()                      # the price and the margin, for free

Every question spends budget, except a preview and the exact repeat of an earlier one. What a private handle cannot do
raises an error that names the nearest thing that works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import DpColumn, Handle

from .dp_column import DpGroups, DpSeries, aggregates, histogram
from .dp_date import PARTS
from .dp_predicate import DpPredicate, literal
from .dp_refusals import INSTEAD, NoArithmetic, UnsupportedError, refuse
from .dp_source import Client, DpAsking, DpSource, absolute, size_of


class DpFrame(NoArithmetic):
    """A dataset that answers with differential privacy only.

    Each question takes `epsilon=` (what to spend; the policy's default if left out) and `dry_run=True` (price and
    margins only). Answers are pandas frames.
    """

    def __init__(self, handle: Handle, client: Client, *, asking: DpAsking | None = None) -> None:
        self._asking = asking or DpAsking(DpSource(handle, client))
        self._client = client

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that questions may name."""
        return self._asking.names

    def preview(self, *, rows: int | None = None) -> DpFrame:
        """Return the same frame, whose questions say price and margins and spend nothing.

        Margins of means and the like are told for groups of 1,000 rows, or of so many.
        """
        return self._with(self._asking.where, preview=True, rows=size_of(rows))

    def within(self, margin: float | str, *, of: float | None = None, rows: int | None = None) -> DpFrame:
        """Return the same frame, whose questions spend about the least epsilon for which no margin is wider.

        `p.within(50).preview().count()` says what that would cost. `p.within("2%", of=20_000)` is the same as
        `p.within(400)`: how large the answer will be about is yours to say, since the rows must not. So is
        how many rows a group has about, since a mean of more rows costs less: `p.within(50, rows=20_000).cost.mean()`.
        """
        how = {"margin": absolute(margin, of), "rows": size_of(rows)}
        return self._with(self._asking.where, preview=self._asking.preview, **how)

    def ask(self, question: Mapping[str, Any] | str, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask a question of the closed algebra as it is (docs/spec/query-v1.md), without this frame's conditions."""
        asked = question if isinstance(question, str) else dict(question)
        return self._asking.source.ask(asked, epsilon, preview=dry_run or self._asking.preview)

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self._asking.dataset

    @property
    def facts(self) -> dict[str, DpColumn]:
        """What is public about each column: its kind, and its bounds or keys."""
        return {column.name: column for column in self._asking.source.handle.columns}

    def train(
        self,
        model: Mapping[str, Any],
        features: Sequence[Mapping[str, Any]],
        *,
        epsilon: Any = None,
        dry_run: bool = False,
    ) -> Any:
        """Ask for a training as it is (docs/spec/training-v1.md); `jupyter_secure.ml` makes an estimator of it."""
        training: dict[str, Any] = {"v": 1, "dataset": self._asking.dataset, "train": dict(model)}
        training["features"] = [dict(feature) for feature in features]
        if self._asking.where is not None:
            training["where"] = self._asking.where
        return self._asking.source.ask(training, epsilon, preview=dry_run or self._asking.preview)

    def count(self, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the number of rows."""
        return self._put([{"op": "count"}], [], epsilon, dry_run)

    def persons(self, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the number of distinct people among the rows."""
        return self._put([{"op": "persons"}], [], epsilon, dry_run)

    def sum(self, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the sum of every number column; the budget is split over them."""
        return self._put(self._numbers("sum"), [], epsilon, dry_run)

    def mean(self, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the mean of every number column; the budget is split over them."""
        return self._put(self._numbers("mean"), [], epsilon, dry_run)

    def agg(
        self, wanted: Mapping[str, Any] | None = None, *, epsilon: Any = None, dry_run: bool = False, **named: Any
    ) -> Any:
        """Ask for several at once, as in `.agg({"cost": ["mean", "std"]})`; the budget is split over them."""
        return self._put(aggregates(self._asking, wanted or {}, named), [], epsilon, dry_run)

    def hist(
        self, column: str | None = None, *, width: float | None = None, epsilon: Any = None, dry_run: bool = False
    ) -> Any:
        """Ask for the number of rows by bins of a number (ten bins if no width is given), or by keys of a category."""
        if column is None:
            raise InvalidRequestError('Name a column, as in `p.hist("age", width=10)`: one question has one histogram.')
        return self._put([histogram(self._asking, column, width)], [], epsilon, dry_run)

    def groupby(self, by: Any, *, width: float | None = None) -> DpGroups:
        """Group by a column name or a list of at most three.

        Args:
            by: names; a number needs a width, as in `groupby(["sex", ("age", 10)])`, and a date a part, as in
                `groupby(p.admitted.dt.year)` or `groupby(("admitted", "month"))`.
            width: of the bins, where one number alone is named.
        """
        keys = []
        for each in by if isinstance(by, list) else [by]:
            name, wide = each if isinstance(each, tuple) else (each, width)
            name = name.name if isinstance(name, DpSeries) else name
            self._asking.check(name)
            size = "part" if wide in PARTS else "width"
            keys.append({"col": name} if wide is None else {"col": name, size: literal(wide)})
        return DpGroups(self._asking, keys)

    def __getitem__(self, what: Any) -> Any:
        if isinstance(what, DpPredicate):
            if what.dataset != self._asking.dataset:
                raise InvalidRequestError("That condition is about another dataset.")
            whole = what if self._asking.where is None else DpPredicate(what.dataset, self._asking.where) & what
            return self._with(whole.node, preview=self._asking.preview)
        if isinstance(what, str):
            self._asking.check(what)
            return DpSeries(self._asking, what)
        raise InvalidRequestError('Use one column, as in `p["age"]`, or a condition, as in `p[p.age > 40]`.')

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._asking.names:
            return DpSeries(self._asking, name)
        if name in INSTEAD:
            refuse(name)
        raise UnsupportedError(
            f"`{name}` is neither a column here nor a question. Columns: {', '.join(self._asking.names)}. Questions: "
            "`.count()`, `.persons()`, `.sum()`, `.mean()`, `.hist(column, width=...)`, `.groupby(...)`."
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            refuse("assign")
        object.__setattr__(self, name, value)

    def __setitem__(self, name: Any, value: Any) -> None:
        refuse("assign")

    def __len__(self) -> int:
        raise UnsupportedError("The number of rows is private. `p.count()` answers it with a margin of error.")

    def __bool__(self) -> bool:
        raise InvalidRequestError("Whether there are rows is private. `p.count()` answers it with a margin of error.")

    def __iter__(self) -> Any:
        return iter(self._asking.names)

    def __dir__(self) -> list[str]:
        own = [name for name in vars(DpFrame) if not name.startswith("_")]
        return sorted({*own, *(name for name in self._asking.names if name.isidentifier())})

    def __repr__(self) -> str:
        about = f"<private dataset {self._asking.dataset}: {', '.join(self._asking.names)}>"
        return "\n".join([about, *self._asking.source.budget()])

    def _repr_html_(self) -> str:
        return self._asking.source.html()

    def _with(self, where: dict[str, Any] | None, *, preview: bool, **how: Any) -> DpFrame:
        before = self._asking
        kept = {name: how.get(name) or getattr(before, name) for name in ("margin", "rows")}
        asking = DpAsking(before.source, where, preview=preview, **kept)
        return DpFrame(before.source.handle, self._client, asking=asking)

    def _put(self, aggs: list[dict[str, Any]], keys: list[dict[str, Any]], epsilon: Any, dry_run: bool) -> Any:
        return self._asking.put(aggs, keys, epsilon, dry_run=dry_run)

    def _numbers(self, op: str) -> list[dict[str, Any]]:
        names = [column.name for column in self._asking.source.handle.columns if column.kind == "number"]
        if not 1 <= len(names) <= 8:
            raise InvalidRequestError(f"Name the column, as in `p.cost.{op}()`: one question answers at most eight.")
        return [{"op": op, "col": name} for name in names]
