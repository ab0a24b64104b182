"""Synthetic rows of a private dataset: made-up people whose counts, one column and two at a time, are nearly the real.

    made = jupyter_secure.synthesize("patients", target="readmitted", epsilon="1")

Steps: cut points of every column, from public facts; one question for noisy tables, charged once, whose repeat is free;
rows drawn from the tables here. Promises: the rows are a function of what was released, so they may be kept, copied and
drawn again freely; columns have the names, the order and the types of the view that a notebook would get otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from jupyter_secure.kernel.dp import DpFrame
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import ColumnOffer, DpColumn

from .drawing import Tables, consistent, draw, tables_of
from .report import compare
from .values import left_out, values_of

__all__ = ["Made", "Wish", "compare", "make", "price"]

BINS = 16  # of a number without cut points
MOST_ROWS = 10_000_000


@dataclass(frozen=True)
class Wish:
    """What synthetic rows are wanted.

    Attributes:
        target: a category that models are to learn: every pair of columns is then counted with it.
        columns: names; by default all that can be asked about, and the others empty.
        edges: public cut points of numbers (days since 1970 for dates); by default 16 equal intervals.
        rows: how many; by default as many as the noisy counts say.
        epsilon: what it may cost; the policy's default for one question if None.
        seed: draws other rows from the same tables.
    """

    target: str | None = None
    columns: Iterable[str] | None = None
    edges: Mapping[str, Sequence[float]] | None = None
    rows: int | None = None
    epsilon: Any = None
    seed: int = 0


@dataclass(frozen=True)
class Made:
    """Synthetic rows, and what to tell of them.

    Attributes:
        counted: about how many real rows there are, as the noisy counts say.
        asked: columns drawn from the released tables.
        tokens: columns of random tokens.
        empty: columns that nobody may ask about.
        about: of the answer: dataset, version, epsilon, repeated, margins.
    """

    table: pa.Table
    counted: int
    asked: tuple[str, ...]
    tokens: tuple[str, ...]
    empty: tuple[str, ...]
    about: dict[str, Any]


def make(handle: DpFrame, wish: Wish, offered: Sequence[ColumnOffer] = ()) -> Made:
    """Return synthetic rows.

    Args:
        handle: a private handle, with conditions if wanted.
        wish: what is wanted.
        offered: the columns of the view that a notebook would get otherwise, in their order.

    Raises:
        InvalidRequestError: what is asked does not fit the handle; nothing was spent.
        BudgetError: the budget does not allow it; nothing was spent.
    """
    facts, cuts = _planned(handle, wish)
    answer = _asked(handle, wish, facts, cuts, dry_run=False)
    tables = consistent(tables_of(answer), answer.attrs["margins"]["count of a cell"])
    drawn = _drawn(tables, facts, cuts, wish)
    whole, others = _with_others(drawn, () if wish.columns is not None else offered, wish.seed)
    empty = tuple(name for name in others if whole[name].null_count == len(whole))
    tokens = tuple(name for name in others if name not in empty)
    return Made(whole, round(tables.totals.sum()), tuple(drawn), tokens, empty, dict(answer.attrs))


def price(handle: DpFrame, wish: Wish) -> Any:
    """Return the price and the margins of `make` as a frame; spends nothing."""
    return _asked(handle, wish, *_planned(handle, wish), dry_run=True)


def _planned(handle: DpFrame, wish: Wish) -> tuple[dict[str, DpColumn], dict[str, Sequence[float]]]:
    """Return the columns that are made, and the cut points of the numbers among them."""
    if wish.rows is not None and not 0 < wish.rows <= MOST_ROWS:
        raise InvalidRequestError(f"`rows` is a number from 1 to {MOST_ROWS:,}.")
    facts, cuts = _chosen(handle.facts, wish.columns), dict(wish.edges or {})
    _check(facts, cuts)
    cuts |= {name: _cuts(column) for name, column in facts.items() if column.kind != "category" and name not in cuts}
    return facts, cuts


def _asked(
    handle: DpFrame,
    wish: Wish,
    facts: Mapping[str, DpColumn],
    cuts: Mapping[str, Sequence[float]],
    *,
    dry_run: bool,
) -> Any:
    features = [{"col": name} | ({"edges": list(cuts[name])} if name in cuts else {}) for name in facts]
    model = {"op": "marginals"} | ({} if wish.target is None else {"target": wish.target})
    return handle.train(model, features, epsilon=wish.epsilon, dry_run=dry_run)


def _chosen(facts: Mapping[str, DpColumn], columns: Iterable[str] | None) -> dict[str, DpColumn]:
    names = tuple(facts) if columns is None else tuple(columns)
    unknown = [name for name in names if name not in facts]
    if unknown:
        raise InvalidRequestError(f"There is no such column: {', '.join(unknown)}. There are: {', '.join(facts)}.")
    chosen = {name: facts[name] for name in names if facts[name].kind != "open"}
    if not chosen:
        raise InvalidRequestError("None of these columns can be made: a column needs bounds or public keys.")
    return chosen


def _check(facts: Mapping[str, DpColumn], edges: Mapping[str, Sequence[float]]) -> None:
    for name, cuts in edges.items():
        column = facts.get(name)
        if column is None or column.kind == "category":
            raise InvalidRequestError(f"`edges` are of number columns that are made; `{name}` is none.")
        if not all(column.lower < cut <= column.upper for cut in cuts):  # type: ignore[operator]  # a number has bounds
            raise InvalidRequestError(f"The `edges` of `{name}` lie above {column.lower:g}, up to {column.upper:g}.")


def _cuts(column: DpColumn) -> list[float]:
    """Return inner cut points of equal intervals that hold whole multiples of the resolution, at least one each."""
    lower, upper, unit = float(column.lower or 0), float(column.upper or 0), float(column.resolution or 1)
    steps = int((upper - lower) / unit + 1e-9)
    bins = min(BINS, steps + 1)
    return [_plain(lower + unit * ((steps + 1) * each // bins)) for each in range(1, bins)] or [_plain(upper)]


def _plain(value: float) -> float:
    return int(value) if float(value).is_integer() else round(value, 12)


def _drawn(
    tables: Tables, facts: Mapping[str, DpColumn], cuts: Mapping[str, Sequence[float]], wish: Wish
) -> dict[str, pa.Array]:
    size = round(tables.totals.sum()) if wish.rows is None else wish.rows
    of_target, cells = draw(tables, size, wish.seed)
    rng = np.random.default_rng((wish.seed, 1))
    return {
        name: values_of(column, cuts.get(name, ()), of_target if name == wish.target else cells[place], rng)
        for place, (name, column) in enumerate(facts.items())
    }


def _with_others(
    drawn: Mapping[str, pa.Array], offered: Sequence[ColumnOffer], seed: int
) -> tuple[pa.Table, tuple[str, ...]]:
    """Return all columns in the order of the view, and the names of those that were not drawn."""
    rng, rows = np.random.default_rng((seed, 2)), len(next(iter(drawn.values())))
    others = {
        column.name: left_out(column, rows, rng)
        for column in offered
        if column.name not in drawn and column.treatment is not None
    }
    order = [column.name for column in offered if column.name in drawn or column.name in others]
    order += [name for name in drawn if name not in order]
    whole = dict(drawn) | others
    return pa.table({name: whole[name] for name in order}), tuple(others)
