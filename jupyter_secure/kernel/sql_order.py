"""`ORDER BY ... LIMIT n` of a private SELECT: done here, to the frame that was released, so it costs nothing.

The largest keys of a noisy histogram are cheaper than the same keys chosen one by one by a mechanism of their own, and
they come with their counts. Only what is released can be sorted by: one aggregate of a grouped statement.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlglot import exp

from .dp_column import largest
from .dp_refusals import UnsupportedError

CUT = "`LIMIT` without `ORDER BY` of an aggregate: cut the answer, which is an ordinary frame"
SORT = "`ORDER BY` of anything but one aggregate of the SELECT by groups: sort the answer, which is an ordinary frame"


class Ordering(NamedTuple):
    """Which of the answer's aggregates to sort by, and how many rows to keep."""

    place: int
    descending: bool
    limit: int | None


def without_order(select: exp.Select) -> tuple[exp.Select, Ordering | None]:
    """Return the statement without its order, and the order.

    Raises:
        UnsupportedError: it is none that can be kept; the sentence says what works.
    """
    order, limit = select.args.get("order"), select.args.get("limit")
    if order is None and limit is None:
        return select, None
    if order is None:
        raise UnsupportedError(f"Private data does not answer {CUT}.")
    ordered = order.expressions[0] if len(order.expressions) == 1 else None
    place = None if ordered is None or not select.args.get("group") else _place(ordered.this, select)
    if ordered is None or place is None or ordered.args.get("with_fill"):
        raise UnsupportedError(f"Private data does not answer {SORT}.")
    bare = select.copy()
    bare.set("order", None)
    bare.set("limit", None)
    return bare, Ordering(place, bool(ordered.args.get("desc")), None if limit is None else _rows(limit))


def in_order(answer: Any, ordering: Ordering | None) -> Any:
    """Return an answer's rows in the order; a preview as it is."""
    values = [name for name in answer.columns if f"{name}_margin" in answer.columns]
    if ordering is None or not values:
        return answer
    return largest(answer, values[ordering.place], ordering.limit, ascending=not ordering.descending)


def _place(node: exp.Expression, select: exp.Select) -> int | None:
    """Return the place of an aggregate among the aggregates: itself, its alias, or its number in the SELECT."""
    chosen = [each for each in select.expressions if each.find(exp.AggFunc, exp.WithinGroup)]
    for place, each in enumerate(chosen):
        number = str(next(at for at, one in enumerate(select.expressions, 1) if one is each))
        named = isinstance(node, exp.Column) and isinstance(each, exp.Alias) and node.name == each.alias
        counted = isinstance(node, exp.Literal) and not node.is_string and node.this == number
        if named or counted or node == each.unalias():
            return place
    return None


def _rows(limit: exp.Expression) -> int:
    rows = limit.args.get("expression")
    further = {name for name, value in limit.args.items() if value} - {"expression"}
    if further or not isinstance(rows, exp.Literal) or not str(rows.this).isdecimal():
        raise UnsupportedError("Private data does not answer a `LIMIT` other than a whole number, as in `LIMIT 10`.")
    return int(rows.this)
