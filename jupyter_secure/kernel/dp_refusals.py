"""What a private handle cannot do, and the nearest thing that works."""

from __future__ import annotations

from typing import NoReturn

from jupyter_secure.protocol.errors import InvalidRequestError

INSTEAD = {
    "head": "`.hist(column, width=...)` shows how values are spread; single rows never leave",
    "describe": "`p.cost.describe()` of one column",
    "median": "`p.cost.median()` of one column",
    "quantile": "`p.cost.quantile([0.25, 0.75])` of one column",
    "min": "`.quantile(0.01)` of a column; the public bounds are shown by the handle itself",
    "std": "`p.cost.std()` of one column",
    "value_counts": "`p.sex.value_counts()` of one column",
    "unique": "`.value_counts()` of a column; the public keys are shown by the handle itself",
    "nunique": "`p.persons()`, which counts distinct people; the public keys are shown by the handle itself",
    "size": "`.count()`",
    "query": "a condition, as in `p[p.age > 40]`",
    "apply": "`.mean()`, `.sum()`, `.count()` and conditions; functions of your own cannot run on private rows",
    "merge": "`.groupby(...)` on the columns of this dataset; joins are not possible",
    "to_pandas": "`.mean()`, `.sum()`, `.count()` and `.hist()`; rows never leave",
    "dt": "`.dt` of a date; this column is no date",
    "plot": "`.hist(column, width=...)`, whose answer is an ordinary frame that `jupyter_secure.plot` draws",
    "corr": "`p.age.corr(p.cost)` of two columns",
    "cov": "`p.age.cov(p.cost)` of two columns",
    "agg": '`p.groupby("sex").agg({"cost": ["mean", "std"]})`, or `p.cost.agg(["mean", "std"])`',
    "top": "`.value_counts(n)` of a column, the most frequent first",
    "bin": '`p.groupby(("age", 10)).count()`, or `p.age.hist(width=10)`',
    "arithmetic": "conditions, as in `p[p.age > 40]`; calculate with the answer, which is an ordinary frame",
}
for _same, _as in (
    ("max", "min"), ("var", "std"), ("tail", "head"), ("sample", "head"), ("iloc", "head"),
    ("loc", "query"), ("filter", "query"), ("map", "apply"), ("assign", "apply"), ("join", "merge"), ("shape", "size"),
    ("values", "to_pandas"), ("to_numpy", "to_pandas"), ("to_csv", "to_pandas"), ("copy", "to_pandas"),
    ("sort_values", "to_pandas"), ("index", "to_pandas"), ("iterrows", "to_pandas"), ("info", "describe"),
    ("mode", "top"), ("cut", "bin"), ("aggregate", "agg"), ("pivot_table", "agg"), ("round", "arithmetic"),
    ("clip", "arithmetic"), ("fillna", "arithmetic"), ("astype", "arithmetic"), ("abs", "arithmetic"),
):  # fmt: skip
    INSTEAD[_same] = INSTEAD[_as]


class UnsupportedError(InvalidRequestError, AttributeError, TypeError):
    """An operation that a private handle lacks.

    Also an `AttributeError`, so that `hasattr` says no, and a `TypeError`, as Python expects of a thing without length.
    """


class NoArithmetic:
    """What cannot be calculated with: each operator is refused like a method that a private handle lacks."""

    def _calculate(self, *_: object) -> NoReturn:
        refuse("arithmetic")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _calculate
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __abs__ = _calculate
    __matmul__ = __rmatmul__ = __round__ = _calculate


def refuse(what: str) -> NoReturn:
    """Raise the refusal of an operation.

    Raises:
        UnsupportedError: always.
    """
    nearest = INSTEAD.get(what, "`.count()`, `.sum()`, `.mean()`, `.hist(column, width=...)`, `.groupby(...)`")
    raise UnsupportedError(f"`{what}` does not work on private data. Nearest that works: {nearest}.")
