"""How treatments of equal rung combine: to the most restrictive, by a declared total order.

Keep < Pseudonym < Generalize < Redact < Suppress (`protocol.view.RESTRICTIVENESS`). Two of the same method combine
parameter by parameter to the coarser one; two pseudonyms of different domains to the alphabetically first domain, which
reveals neither more nor less. The combination is commutative, associative and idempotent, so the order of rules in a
file means nothing.
"""

from __future__ import annotations

from jupyter_secure.protocol.view import RESTRICTIVENESS, Generalize, Pseudonym, Treatment

UNITS = ("month", "year", "decade")
_PLACE = {kind: place for place, kind in enumerate(RESTRICTIVENESS)}


def combine(one: Treatment, other: Treatment) -> Treatment:
    """Return the most restrictive of two treatments, or their common coarsening."""
    if _PLACE[type(one)] != _PLACE[type(other)]:
        return max(one, other, key=lambda treatment: _PLACE[type(treatment)])
    if isinstance(one, Generalize) and isinstance(other, Generalize):
        return Generalize(
            width=_coarser_width(one.width, other.width),
            prefix=min(one.prefix, other.prefix),
            unit=max(one.unit, other.unit, key=UNITS.index),
        )
    if isinstance(one, Pseudonym) and isinstance(other, Pseudonym):
        return min(one, other, key=lambda treatment: treatment.domain)
    return one


def _coarser_width(one: int, other: int) -> int:
    # The larger width, not the least common multiple: each rule permits its own bins, and the wider bin says less.
    return max(one, other)


def describe(treatment: Treatment, arrow_type: str) -> str:
    """Return the treatment as the end of a sentence about a column of that type: `shown ...`."""
    match treatment:
        case Pseudonym():
            return "as a pseudonym"
        case Generalize() if "string" in arrow_type:
            return f"generalized to its first {treatment.prefix} characters"
        case Generalize() if arrow_type.startswith(("date", "timestamp")):
            return f"generalized to the {treatment.unit}"
        case Generalize():
            return f"generalized to steps of {treatment.width}"
        case _:
            return {"Keep": "as it is", "Redact": "redacted", "Suppress": "empty"}[type(treatment).__name__]


def method(treatment: Treatment) -> str:
    """Return the name of the method, as policy files write it."""
    return type(treatment).__name__.lower()
