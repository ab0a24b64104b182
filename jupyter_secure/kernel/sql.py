"""`%%secure_sql`: one SELECT translated to a question of the closed algebra, or a sentence on what works instead.

sqlglot only parses; nothing is run here. Every node of the tree has to be one that is named below, so whatever a
dialect adds is refused until somebody has translated it. Names without quotes match whatever their case, if one column
does.

Steps: parse one statement; refuse clauses that the algebra lacks; set its order aside; keys; aggregates; condition.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlglot
from sqlglot import exp

from jupyter_secure.protocol.errors import InvalidRequestError

from .dp_refusals import UnsupportedError
from .sql_condition import Columns, condition, number
from .sql_date import DATED, date_part
from .sql_nearest import nearest
from .sql_order import Ordering, without_order

# Clauses that the algebra lacks, and what works instead.
CLAUSES = {
    "offset": "`OFFSET`: cut the answer, which is an ordinary frame",
    "having": "`HAVING`: filter the answer, which is yours",
    "distinct": "`SELECT DISTINCT`: group by the column; all public keys are answered",
    "joins": "`JOIN`: one question looks at one dataset",
    "with_": "`WITH`: write one SELECT from one dataset",
    "with": "`WITH`: write one SELECT from one dataset",
    "windows": "window functions: group by a key",
    "qualify": "`QUALIFY`: filter the answer, which is yours",
    "laterals": "`LATERAL`: one question looks at one dataset",
}
BOUNDED = {
    exp.Sum: "sum",
    exp.Avg: "mean",
    exp.Variance: "variance",
    exp.VariancePop: "variance",
    exp.Stddev: "std",
    exp.StddevPop: "std",
    exp.StddevSamp: "std",
}
PERSON = "person"
ANSWERED = (
    "COUNT, SUM, AVG, VARIANCE, STDDEV, MEDIAN and QUANTILE by groups are, "
    "under conditions of =, <, BETWEEN, IN, IS NULL, AND, OR and NOT on single columns"
)
REQUIRED = {"this", "expression", "quantile", "low", "high"}
WITHIN = (exp.PercentileCont, exp.PercentileDisc)  # has its column behind WITHIN GROUP, or as a first argument
# Every node that may stand in a statement, with what it may hold. A dialect's further words are in none of them.
_ONE, _TWO = {"this"}, {"this", "expression"}
CLOSED: dict[type[exp.Expression], set[str]] = {
    exp.Select: {"expressions", "from_", "from", "where", "group"},
    exp.From: _ONE,
    exp.Table: {"this", "alias"},
    exp.TableAlias: _ONE,
    exp.Identifier: {"this", "quoted"},
    exp.Column: {"this", "table"},
    exp.Alias: {"this", "alias"},
    exp.Literal: {"this", "is_string"},
    exp.Boolean: _ONE,
    exp.Group: {"expressions"},
    exp.Distinct: {"expressions"},
    exp.Count: {"this", "big_int"},
    exp.Quantile: {"this", "quantile"},
    exp.ApproxQuantile: {"this", "quantile"},
    exp.Ordered: {"this", "nulls_first"},
    exp.Order: {"expressions"},
    exp.Between: {"this", "low", "high"},
    exp.In: {"this", "expressions"},
    exp.Div: {"this", "expression", "typed", "safe"},
    exp.Star: set(),
    exp.Null: set(),
    **dict.fromkeys((*BOUNDED, exp.Median, exp.Floor, exp.Where, exp.Not, exp.Neg, exp.Paren), _ONE),
    **dict.fromkeys(
        (exp.Corr, exp.CovarPop, exp.PercentileCont, exp.PercentileDisc, exp.WithinGroup, exp.Mul, exp.Is), _TWO
    ),
    **DATED,
    **dict.fromkeys((exp.And, exp.Or, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), _TWO),
}


def dataset_of(text: str) -> str:
    """Return the name of the dataset that a statement is about.

    Raises:
        InvalidRequestError: it is not one SELECT from one dataset.
    """
    select = _statement(text)
    table = select.args.get("from_") or select.args.get("from")
    if table is None or not isinstance(table.this, exp.Table) or table.this.args.get("db"):
        raise InvalidRequestError("Write one SELECT from one dataset, as in `SELECT COUNT(*) FROM patients`.")
    return str(table.this.name)


def ordering_of(text: str) -> Ordering | None:
    """Return how the answer is to be sorted and cut.

    Raises:
        UnsupportedError: it is no order of one aggregate.
    """
    return without_order(_statement(text))[1]


def translate(text: str, columns: Sequence[str], dates: Collection[str] = ()) -> dict[str, Any]:
    """Return the question's JSON (docs/spec/query-v1.md).

    Args:
        text: one SELECT.
        columns: that the handle offers.
        dates: those of them that hold dates.

    Raises:
        InvalidRequestError: it cannot be read, or a column is unknown.
        UnsupportedError: the algebra lacks it; the sentence says what works.
    """
    select, known, dataset = without_order(_statement(text))[0], Columns(columns, dates), dataset_of(text)
    _check_closed(select)
    keys = [_key(key, known) for key in _group_by(select)]
    question: dict[str, Any] = {"v": 1, "dataset": dataset, "aggs": _aggregates(select, keys, known)}
    if keys:
        question["group_by"] = keys
    if select.args.get("where"):
        question["where"] = condition(select.args["where"].this, known)
    return question


def _statement(text: str) -> exp.Select:
    try:
        found = sqlglot.parse(text, read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError):
        raise InvalidRequestError("This is no SQL that can be read. One SELECT from one dataset is.") from None
    statements = [each for each in found if each is not None]
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise InvalidRequestError("Write one SELECT from one dataset; nothing else is possible on private data.")
    for clause, instead in CLAUSES.items():
        if statements[0].args.get(clause):
            raise _lacking(instead)
    return statements[0]


def _check_closed(select: exp.Select) -> None:
    """Refuse whatever the tree holds that is not named in `CLOSED`."""
    for node in select.walk():
        held = {name for name, value in node.args.items() if value not in (None, [], False)}
        may = CLOSED.get(type(node), set())
        must = may & (REQUIRED - {"expression"} if isinstance(node, WITHIN) else REQUIRED)
        if type(node) not in CLOSED or held - may or any(node.args.get(name) is None for name in must):
            instead = nearest(node)
            raise _lacking(f"`{_shown(node)}`: {f'{instead}. ' if instead else ''}{ANSWERED}")


def _group_by(select: exp.Select) -> list[exp.Expression]:
    group = select.args.get("group")
    if group is None:
        return []
    named = {each.alias: each.this for each in select.expressions if isinstance(each, exp.Alias)}
    places = {str(place): each.unalias() for place, each in enumerate(select.expressions, 1)}
    return [_meant(key, named, places) for key in group.expressions]


def _meant(key: exp.Expression, named: dict[str, exp.Expression], places: dict[str, exp.Expression]) -> exp.Expression:
    # `GROUP BY 1` and `GROUP BY decade` mean what stands in the SELECT.
    if isinstance(key, exp.Literal):
        return places.get(str(key.this), key)
    return named.get(key.name, key) if isinstance(key, exp.Column) else key


def _key(node: exp.Expression, known: Columns) -> dict[str, Any]:
    if isinstance(node, exp.Column):
        return {"col": known.name(node)}
    if isinstance(node, exp.Mul) and isinstance(node.this, exp.Floor):
        width, again = _bin(node.this, known), number(node.expression)
        if width["width"] == again:
            return width
    if isinstance(node, exp.Floor):
        return _bin(node, known)
    part = date_part(node)
    if part is not None:
        return {"col": known.name(part[0]), "part": part[1]}
    raise _lacking(
        "keys other than columns, bins and dates: write `FLOOR(age / 10) * 10` for bins of ten, `YEAR(day)` or "
        "`DATE_TRUNC('month', day)` for dates"
    )


def _bin(node: exp.Floor, known: Columns) -> dict[str, Any]:
    inner = node.this.unnest()
    if isinstance(inner, exp.Div) and isinstance(inner.this, exp.Column):
        return {"col": known.name(inner.this), "width": number(inner.expression)}
    raise _lacking("bins other than `FLOOR(age / 10) * 10`")


def _aggregates(select: exp.Select, keys: list[dict[str, Any]], known: Columns) -> list[dict[str, Any]]:
    aggs = []
    for each in select.expressions:
        node = each.unalias()
        if not node.find(exp.AggFunc) and not isinstance(node, exp.WithinGroup):
            if isinstance(node, exp.Star) or _key(node, known) not in keys:
                raise _lacking(
                    "columns that are not grouped: single rows never leave. Aggregate them, or group by them"
                )
            continue
        aggs.append(_aggregate(node, known) | ({"as": each.alias} if isinstance(each, exp.Alias) else {}))
    if not aggs:
        raise _lacking("a SELECT without an aggregate: `COUNT(*)` is one")
    return aggs


def _aggregate(node: exp.Expression, known: Columns) -> dict[str, Any]:  # noqa: PLR0911 - one return for each kind
    if isinstance(node, exp.Count):
        return _count(node, known)
    if isinstance(node, exp.WithinGroup):
        return _within(node, known)
    if isinstance(node, exp.Median):
        return {"op": "quantile", "col": _column(node.this, known), "q": 0.5}
    if isinstance(node, WITHIN) and isinstance(node.this, exp.Column) and node.args.get("expression"):
        return {"op": "quantile", "col": known.name(node.this), "q": number(node.expression)}
    if isinstance(node, exp.Quantile | exp.ApproxQuantile):
        return {"op": "quantile", "col": _column(node.this, known), "q": number(node.args["quantile"])}
    if isinstance(node, exp.Corr | exp.CovarPop):
        op = "correlation" if isinstance(node, exp.Corr) else "covariance"
        return {"op": op, "col": _column(node.this, known), "other": _column(node.expression, known)}
    op = BOUNDED.get(type(node))
    if op is None:
        raise _lacking(f"`{_shown(node)}`: each on its own is answered; calculate with the answer")
    return {"op": op, "col": _column(node.this, known)}


def _count(node: exp.Count, known: Columns) -> dict[str, Any]:
    inside = node.this
    if isinstance(inside, exp.Distinct):
        only = inside.expressions[0] if len(inside.expressions) == 1 else None
        if isinstance(only, exp.Column) and only.name.lower() == PERSON:
            return {"op": "persons"}
        raise _lacking("`COUNT(DISTINCT ...)` of a column: `COUNT(DISTINCT person)` counts people, and keys are public")
    return {"op": "count"} if isinstance(inside, exp.Star) else {"op": "count", "col": _column(inside, known)}


def _within(node: exp.WithinGroup, known: Columns) -> dict[str, Any]:
    order = node.expression
    ordered = order.expressions[0] if isinstance(order, exp.Order) and len(order.expressions) == 1 else None
    if not isinstance(node.this, WITHIN) or ordered is None:
        raise _lacking("this: write `PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY cost)`")
    return {"op": "quantile", "col": _column(ordered.this, known), "q": number(node.this.this)}


def _column(node: exp.Expression, known: Columns) -> str:
    if isinstance(node, exp.Column):
        return known.name(node)
    raise _lacking(f"expressions inside an aggregate, as in `{_shown(node)}`: name a column")


def _lacking(instead: str) -> UnsupportedError:
    return UnsupportedError(f"Private data does not answer {instead}.")


def _shown(node: exp.Expression) -> str:
    return node.sql(unsupported_level=sqlglot.ErrorLevel.IGNORE)[:40]
