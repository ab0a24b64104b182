"""Conditions as a notebook writes them, `(p.age > 40) & p.sex.isin(["F"])`, kept as the JSON that they stand for.

Nothing is evaluated here and nothing here is trusted: the broker reads the JSON with its own eyes.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

from jupyter_secure.protocol.errors import InvalidRequestError


def literal(value: Any) -> int | float | str:
    """Return a literal of the algebra.

    Raises:
        InvalidRequestError: columns compare with plain values only.
    """
    if type(value).__module__ == "numpy":
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"  # public keys of a yes-or-no column
    if isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise InvalidRequestError(
        "Compare a column with a number or a text. Two columns cannot be compared; for missing values use `.isna()`."
    )


class DpPredicate:
    """One condition; joins with `&`, `|` and `~`."""

    def __init__(self, dataset: str, node: dict[str, Any]) -> None:
        self.dataset = dataset
        self.node = node

    def __and__(self, other: Any) -> DpPredicate:
        return self._join("and", other)

    def __or__(self, other: Any) -> DpPredicate:
        return self._join("or", other)

    def __invert__(self) -> DpPredicate:
        return DpPredicate(self.dataset, {"op": "not", "arg": self.node})

    def __bool__(self) -> NoReturn:
        raise InvalidRequestError(
            "A condition on private data is neither true nor false here. Join conditions with `&` and `|`, each in "
            "parentheses, and use them as in `p[(p.age > 40) & (p.age < 60)].count()`."
        )

    def __repr__(self) -> str:
        return f"<condition on {self.dataset}: {self.node}>"

    def _join(self, op: str, other: Any) -> DpPredicate:
        if not isinstance(other, DpPredicate) or other.dataset != self.dataset:
            raise InvalidRequestError("Join conditions of one dataset only, each in parentheses.")
        args = [part for node in (self.node, other.node) for part in (node["args"] if node["op"] == op else [node])]
        return DpPredicate(self.dataset, {"op": op, "args": args})
