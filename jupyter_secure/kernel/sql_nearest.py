"""For SQL that the algebra lacks: the statement that comes nearest to it."""

from __future__ import annotations

from sqlglot import exp

_AFTER = "calculate with the answer, which is an ordinary frame"
_WHERE = "ask one question for each case, with the case as the condition after `WHERE`"
NEAREST: dict[type[exp.Expression], str] = {
    exp.Min: "write `QUANTILE(cost, 0.01)`, and the public bounds are shown by the handle",
    exp.Max: "write `QUANTILE(cost, 0.99)`, and the public bounds are shown by the handle",
    exp.Mode: "write `SELECT sex, COUNT(*) AS n ... GROUP BY sex ORDER BY n DESC LIMIT 1`",
    exp.CovarSamp: "write `COVAR_POP`",
    exp.ApproxDistinct: "write `COUNT(DISTINCT person)` for people; keys are public",
    exp.ArrayAgg: "single rows never leave; write `COUNT(*)` by groups",
    exp.GroupConcat: "single rows never leave; write `COUNT(*)` by groups",
    exp.Case: _WHERE,
    exp.If: _WHERE,
    exp.CountIf: _WHERE,
    exp.Filter: _WHERE,
    exp.Window: "group by a key",
    exp.Round: _AFTER,
    exp.Coalesce: "ask for missing values with `IS NULL`; each key has a group of them",
    exp.Subquery: "list the values",
    exp.Exists: "one question looks at one dataset",
    exp.Rollup: "ask one question for each grouping",
    exp.Cube: "ask one question for each grouping",
    exp.GroupingSets: "ask one question for each grouping",
    **dict.fromkeys((exp.Like, exp.ILike, exp.SimilarTo, exp.RegexpLike), "list the public keys with `IN`"),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mod), _AFTER),
}
NAMED = {
    "HISTOGRAM": "write `SELECT FLOOR(age / 10) * 10 AS age, COUNT(*) ... GROUP BY 1`",
    "DATE_PART": "write `EXTRACT(MONTH FROM day)` or `DATE_TRUNC('month', day)`",
}


def nearest(node: exp.Expression) -> str:
    """Return what to write instead, empty where nothing comes near."""
    if isinstance(node, exp.Anonymous):
        return NAMED.get(node.name.upper(), "")
    if isinstance(node, exp.In) and node.args.get("query"):
        return NEAREST[exp.Subquery]
    return NEAREST.get(type(node), "")
