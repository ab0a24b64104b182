"""The condition of a SQL statement as a predicate of the algebra, and what names and literals mean."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import sqlglot
from sqlglot import exp

from jupyter_secure.protocol.errors import InvalidRequestError

from .dp_date import day_number
from .dp_refusals import UnsupportedError

COMPARISONS = {exp.EQ: "eq", exp.NEQ: "ne", exp.LT: "lt", exp.LTE: "le", exp.GT: "gt", exp.GTE: "ge"}
MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


class Columns:
    """The columns of a handle, found by names as SQL spells them.

    Attributes:
        dates: those that hold dates, which compare with a text that is one.
    """

    def __init__(self, names: Sequence[str], dates: Collection[str] = ()) -> None:
        self._names = tuple(names)
        self.dates = frozenset(dates)

    def name(self, node: exp.Column) -> str:
        """Return the column that a name means.

        Raises:
            InvalidRequestError: none, or several that differ in case only; the sentence lists those there are.
        """
        wanted = node.name
        if wanted in self._names:
            return wanted
        alike = [name for name in self._names if name.lower() == wanted.lower()]
        if len(alike) == 1 and not node.this.args.get("quoted"):
            return alike[0]
        raise InvalidRequestError(f"There is no column `{wanted[:64]}` here. There are: {', '.join(self._names)}.")


def condition(node: exp.Expression, known: Columns) -> dict[str, Any]:
    """Return the predicate.

    Raises:
        UnsupportedError: the algebra lacks it; the sentence says what works.
    """
    node = node.unnest()
    if isinstance(node, exp.And | exp.Or):
        args = [condition(part, known) for part in node.flatten()]
        return {"op": "and" if isinstance(node, exp.And) else "or", "args": args}
    if isinstance(node, exp.Not):
        return {"op": "not", "arg": condition(node.this, known)}
    if type(node) in COMPARISONS:
        return _comparison(node, known)
    if not isinstance(node, exp.Between | exp.In | exp.Is):
        raise _lacking(f"the condition `{_shown(node)}`")
    col = _column(node.this, known)
    if isinstance(node, exp.Between):
        ends = {"lower": node.args["low"], "upper": node.args["high"]}
        return {"op": "between", "col": col} | {name: _end(end, col, known) for name, end in ends.items()}
    if isinstance(node, exp.In):
        if node.args.get("query") or not node.expressions:
            raise _lacking("`IN` with anything but a list of literals")
        return {"op": "in", "col": col, "values": [_compared(value, col, known) for value in node.expressions]}
    return _is(node, col)


def literal(node: exp.Expression) -> Any:
    """Return a literal's value; truth values are the texts that a category of them has as keys."""
    if isinstance(node, exp.Boolean):
        return "true" if node.this else "false"
    if isinstance(node, exp.Literal) and node.is_string:
        return str(node.this)
    return number(node)


def number(node: exp.Expression) -> int | float:
    """Return a number's value.

    Raises:
        UnsupportedError: it is none.
    """
    node = node.unnest()
    if isinstance(node, exp.Neg):
        return -number(node.this)
    if isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.DATE and isinstance(node.this, exp.Literal):
        return day_number(str(node.this.this))
    if not isinstance(node, exp.Literal) or node.is_string:
        raise _lacking(f"`{_shown(node)}` where a number belongs")
    text = str(node.this)
    try:
        found = float(text)
    except ValueError:  # what the parser took for a number: `. 0.1` is 0.0.1 to it
        raise _lacking(f"`{text[:40]}` where a number belongs") from None
    if not math.isfinite(found):
        raise _lacking(f"the number `{text[:40]}`, which is too large")
    return int(text) if text.isdecimal() else found


def _comparison(node: exp.Expression, known: Columns) -> dict[str, Any]:
    left, right, op = node.this.unnest(), node.expression.unnest(), COMPARISONS[type(node)]
    if isinstance(right, exp.Column) and not isinstance(left, exp.Column):
        left, right, op = right, left, MIRRORED.get(op, op)
    if isinstance(right, exp.Column):
        raise _lacking("comparing two columns: compare a column with a literal")
    col = _column(left, known)
    return {"op": op, "col": col, "value": _compared(right, col, known)}


def _compared(node: exp.Expression, col: str, known: Columns) -> Any:
    """Return the literal that a column compares with; of a date's column a text is a day."""
    found = literal(node)
    return day_number(found) if isinstance(found, str) and col in known.dates else found


def _end(node: exp.Expression, col: str, known: Columns) -> Any:
    return _compared(node, col, known) if col in known.dates else number(node)


def _is(node: exp.Is, col: str) -> dict[str, Any]:
    if isinstance(node.expression, exp.Null):
        return {"op": "is_null", "col": col}
    if isinstance(node.expression, exp.Boolean):
        return {"op": "eq", "col": col, "value": literal(node.expression)}
    raise _lacking(f"the condition `{_shown(node)}`")


def _column(node: exp.Expression, known: Columns) -> str:
    node = node.unnest()
    if isinstance(node, exp.Column):
        return known.name(node)
    raise _lacking(f"calculations, as in `{_shown(node)}`: compare a column with a literal")


def _lacking(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"Private data does not answer {what}. =, <>, <, <=, >, >=, BETWEEN, IN, IS NULL, AND, OR and NOT are answered."
    )


def _shown(node: exp.Expression) -> str:
    return node.sql(unsupported_level=sqlglot.ErrorLevel.IGNORE)[:40]
