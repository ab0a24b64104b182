"""Parts of dates in SQL's words, and the part of the algebra that each is."""

from __future__ import annotations

from sqlglot import exp

CALENDAR = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY"}
EXTRACTED = {"YEAR": "year", "QUARTER": "quarter_of_year", "MONTH": "month_of_year", "ISODOW": "weekday"}
FUNCTIONS: dict[type[exp.Expression], str] = {
    exp.Year: "YEAR",
    exp.Quarter: "QUARTER",
    exp.Month: "MONTH",
    exp.DayOfWeekIso: "ISODOW",
}
# What a statement may hold besides; the rest is refused like any other node that is not named.
DATED: dict[type[exp.Expression], set[str]] = {
    **{kind: {"this"} for kind in FUNCTIONS},
    exp.Extract: {"this", "expression"},
    exp.TimestampTrunc: {"this", "unit"},
    exp.DateTrunc: {"this", "unit"},
    exp.Cast: {"this", "to"},
    exp.DataType: {"this"},
    exp.Var: {"this"},
}


def date_part(node: exp.Expression) -> tuple[exp.Column, str] | None:
    """Return the column and the part that an expression groups by, or None.

    `EXTRACT` and functions name what comes round (but for the year), `DATE_TRUNC` the calendar's own periods.
    """
    column, word = node.this, FUNCTIONS.get(type(node), "")
    if isinstance(node, exp.Extract):
        column, word = node.expression, node.name.upper()
    found = EXTRACTED.get(word)
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
        word = node.args["unit"].name.upper() if node.args.get("unit") else ""
        found = word.lower() if word in CALENDAR else None
    return (column, found) if isinstance(column, exp.Column) and found else None
