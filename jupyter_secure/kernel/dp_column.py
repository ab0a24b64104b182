"""One private column, and a private dataset in groups; both only build questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from jupyter_secure.protocol.errors import InvalidRequestError

from .dp_date import DpDates, day_number
from .dp_predicate import DpPredicate, literal
from .dp_refusals import NoArithmetic, UnsupportedError, refuse
from .dp_source import DpAsking

# As pandas calls them, and what they are in the algebra.
AGGREGATES: dict[str, dict[str, Any]] = {
    "count": {"op": "count"},
    "sum": {"op": "sum"},
    "mean": {"op": "mean"},
    "var": {"op": "variance"},
    "std": {"op": "std"},
    "median": {"op": "quantile", "q": 0.5},
}
DESCRIBED = ("count", "mean", "std")
QUARTERS = (0.25, 0.5, 0.75)


def histogram(asking: DpAsking, name: str, width: float | None) -> dict[str, Any]:
    """Return a histogram's JSON; a number without a width gets about ten bins over its public bounds."""
    asking.check(name)
    wide = _tenth(asking, name) if width is None else literal(width)
    return {"op": "histogram", "col": name} | ({} if wide is None else {"width": wide})


def largest(found: Any, name: str, n: int | None, *, ascending: bool = False) -> Any:
    """Return an answer's largest rows first, or smallest, at most `n`; a preview as it is."""
    if name not in found:
        return found
    ordered = found.sort_values(name, ascending=ascending, ignore_index=True, kind="stable")
    return ordered if n is None else ordered.head(n)


def _tenth(asking: DpAsking, name: str) -> int | float | str | None:
    column = next(column for column in asking.source.handle.columns if column.name == name)
    if column.kind not in {"number", "date"} or column.lower is None or column.upper is None:
        return None
    tenth = (column.upper - column.lower) / 10
    return max(round(tenth), 1) if tenth >= 0.5 else tenth


def aggregates(asking: DpAsking, wanted: Mapping[str, Any], named: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the JSON of several aggregates, in pandas' two ways of saying them.

    Args:
        asking: what is asked.
        wanted: column = one name of an aggregate or several.
        named: name in the answer = (column, name of an aggregate).
    """
    for pair in named.values():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise InvalidRequestError('Name an aggregate as in `agg(costs=("cost", "mean"))`.')
    several = [(name, [ops] if isinstance(ops, str) else ops) for name, ops in wanted.items()]
    asked = [(name, op, {}) for name, ops in several for op in ops]
    asked += [(name, op, {"as": label}) for label, (name, op) in named.items()]
    found = []
    for name, op, label in asked:
        asking.check(name)
        if op not in AGGREGATES:
            refuse(str(op))
        found.append({**AGGREGATES[op], "col": name, **label})
    if not found:
        raise InvalidRequestError('Name at least one aggregate, as in `agg({"cost": ["mean", "std"]})`.')
    return found


class DpSeries(NoArithmetic):
    """One column of a private dataset."""

    def __init__(self, asking: DpAsking, name: str, keys: list[dict[str, Any]] | None = None) -> None:
        self.name = name
        self._asking = asking
        self._keys = keys or []

    def count(self, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the number of rows that have a value."""
        return self._ask("count", {}, epsilon, dry_run)

    def sum(
        self, *, lower: float | None = None, upper: float | None = None, epsilon: Any = None, dry_run: bool = False
    ) -> Any:
        """Ask for the sum; narrower bounds (values are moved to them) mean less noise."""
        return self._ask("sum", {"lower": lower, "upper": upper}, epsilon, dry_run)

    def mean(
        self, *, lower: float | None = None, upper: float | None = None, epsilon: Any = None, dry_run: bool = False
    ) -> Any:
        """Ask for the mean; narrower bounds (values are moved to them) mean less noise."""
        return self._ask("mean", {"lower": lower, "upper": upper}, epsilon, dry_run)

    def var(
        self, *, lower: float | None = None, upper: float | None = None, epsilon: Any = None, dry_run: bool = False
    ) -> Any:
        """Ask for the variance (divided by the number of rows)."""
        return self._ask("variance", {"lower": lower, "upper": upper}, epsilon, dry_run)

    def std(
        self, *, lower: float | None = None, upper: float | None = None, epsilon: Any = None, dry_run: bool = False
    ) -> Any:
        """Ask for the standard deviation."""
        return self._ask("std", {"lower": lower, "upper": upper}, epsilon, dry_run)

    def quantile(
        self,
        q: float | Iterable[float] = 0.5,
        *,
        lower: float | None = None,
        upper: float | None = None,
        epsilon: Any = None,
        dry_run: bool = False,
    ) -> Any:
        """Ask for one or several quantiles; several of one question cost no more than one."""
        bounds = {"lower": lower, "upper": upper}
        given = {name: literal(value) for name, value in bounds.items() if value is not None}
        wanted = [q] if isinstance(q, int | float) else list(q)
        aggs = [{"op": "quantile", "col": self.name, "q": float(each), **given} for each in wanted]
        return self._asking.put(aggs, self._keys, epsilon, dry_run=dry_run)

    def median(self, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the median."""
        return self.quantile(0.5, epsilon=epsilon, dry_run=dry_run)

    def describe(self, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for count, mean, deviation and quartiles at once; the budget is split over them."""
        aggs = [{**AGGREGATES[name], "col": self.name} for name in DESCRIBED]
        aggs += [{"op": "quantile", "col": self.name, "q": q} for q in QUARTERS]
        return self._asking.put(aggs, self._keys, epsilon, dry_run=dry_run)

    def agg(self, wanted: str | Iterable[str], *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for several at once, as in `.agg(["mean", "std"])`; the budget is split over them."""
        aggs = aggregates(self._asking, {self.name: wanted}, {})
        return self._asking.put(aggs, self._keys, epsilon, dry_run=dry_run)

    def cov(self, other: DpSeries | str, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the covariance with another column."""
        return self._with("covariance", other, epsilon, dry_run)

    def corr(self, other: DpSeries | str, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the correlation with another column."""
        return self._with("correlation", other, epsilon, dry_run)

    def value_counts(
        self, n: int | None = None, *, width: float | None = None, epsilon: Any = None, dry_run: bool = False
    ) -> Any:
        """Ask for the number of rows by keys or bins, the largest first; sorting what is released costs nothing.

        With `n`, only so many of the largest. Of a column without public keys, people are counted, and only keys that
        enough of them share are told.
        """
        if self._asking.kind(self.name) == "open":
            found = self._asking.put([{"op": "persons"}], [{"col": self.name}], epsilon, dry_run=dry_run)
            return largest(found, "persons", n)
        return largest(self.hist(width=width, epsilon=epsilon, dry_run=dry_run), "count", n)

    def nlargest(self, n: int = 5, *, width: float | None = None, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the `n` most frequent keys or bins, as `value_counts(n)`."""
        return self.value_counts(n, width=width, epsilon=epsilon, dry_run=dry_run)

    def hist(self, *, width: float | None = None, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the number of rows by bins."""
        if self._keys:
            raise InvalidRequestError(
                "Inside groups, name the bins as a key: `p.groupby(['sex', ('age', 10)]).count()`."
            )
        return self._asking.put([histogram(self._asking, self.name, width)], [], epsilon, dry_run=dry_run)

    @property
    def dt(self) -> DpDates:
        """Parts of a date, to group by."""
        if self._asking.kind(self.name) != "date":
            refuse("dt")
        return DpDates(self.name)

    def isin(self, values: Any) -> DpPredicate:
        """Say: one of these."""
        return self._test("in", values=[self._literal(value) for value in values])

    def between(self, lower: Any, upper: Any) -> DpPredicate:
        """Say: from `lower` to `upper`, both included."""
        return self._test("between", lower=self._literal(lower), upper=self._literal(upper))

    def isna(self) -> DpPredicate:
        """Say: has no value."""
        return self._test("is_null")

    def notna(self) -> DpPredicate:
        """Say: has a value."""
        return ~self.isna()

    def __eq__(self, other: object) -> DpPredicate:  # type: ignore[override]
        return self._test("eq", value=self._literal(other))

    def __ne__(self, other: object) -> DpPredicate:  # type: ignore[override]
        return self._test("ne", value=self._literal(other))

    def __lt__(self, other: Any) -> DpPredicate:
        return self._test("lt", value=self._literal(other))

    def __le__(self, other: Any) -> DpPredicate:
        return self._test("le", value=self._literal(other))

    def __gt__(self, other: Any) -> DpPredicate:
        return self._test("gt", value=self._literal(other))

    def __ge__(self, other: Any) -> DpPredicate:
        return self._test("ge", value=self._literal(other))

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        raise UnsupportedError("The number of rows is private. `.count()` answers it with a margin of error.")

    def __bool__(self) -> bool:
        raise InvalidRequestError("A private column has no truth. Compare it, as in `p[p.age > 40]`.")

    def __iter__(self) -> NoReturn:
        raise InvalidRequestError("Single values never leave. `.hist(width=...)` shows how they are spread.")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return refuse(name)

    def __repr__(self) -> str:
        return f"<private column {self.name}: .count(), .sum(), .mean(), .std(), .quantile(), .hist(), conditions>"

    def _literal(self, value: Any) -> int | float | str:
        dated = self._asking.kind(self.name) == "date" and not isinstance(value, int | float)
        return day_number(value) if dated else literal(value)

    def _test(self, op: str, **fields: Any) -> DpPredicate:
        return DpPredicate(self._asking.dataset, {"op": op, "col": self.name, **fields})

    def _with(self, op: str, other: DpSeries | str, epsilon: Any, dry_run: bool) -> Any:
        name = other.name if isinstance(other, DpSeries) else other
        self._asking.check(name)
        agg = {"op": op, "col": self.name, "other": name}
        return self._asking.put([agg], self._keys, epsilon, dry_run=dry_run)

    def _ask(self, op: str, bounds: dict[str, Any], epsilon: Any, dry_run: bool) -> Any:
        given = {name: literal(value) for name, value in bounds.items() if value is not None}
        return self._asking.put([{"op": op, "col": self.name, **given}], self._keys, epsilon, dry_run=dry_run)


class DpGroups:
    """A private dataset in groups; all public groups are answered, also the empty ones."""

    def __init__(self, asking: DpAsking, keys: list[dict[str, Any]]) -> None:
        self._asking = asking
        self._keys = keys

    def count(self, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the number of rows of each group."""
        return self._asking.put([{"op": "count"}], self._keys, epsilon, dry_run=dry_run)

    size = count

    def persons(self, *, epsilon: Any = None, dry_run: bool = False) -> Any:
        """Ask for the number of distinct people in each group."""
        return self._asking.put([{"op": "persons"}], self._keys, epsilon, dry_run=dry_run)

    def agg(
        self, wanted: Mapping[str, Any] | None = None, *, epsilon: Any = None, dry_run: bool = False, **named: Any
    ) -> Any:
        """Ask for several at once; the budget is split over them.

        As in `.agg({"cost": ["mean", "sum"]})`, or with names for the answer `.agg(costs=("cost", "mean"))`.
        """
        aggs = aggregates(self._asking, wanted or {}, named)
        return self._asking.put(aggs, self._keys, epsilon, dry_run=dry_run)

    def __getitem__(self, name: Any) -> DpSeries:
        self._asking.check(name)
        return DpSeries(self._asking, name, self._keys)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name] if name in self._asking.names else refuse(name)

    def __iter__(self) -> NoReturn:
        raise InvalidRequestError("Groups cannot be walked through. `.count()` or `.agg(...)` answers all at once.")

    def __repr__(self) -> str:
        return f"<private groups by {', '.join(key['col'] for key in self._keys)}>"
