"""From what a policy says of a dataset to the domain that questions are bound to.

Policy and views are strangers; this is where the one's terms become the other's noun. Everything in a domain is public:
nothing here looks at a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from msgspec import UNSET

from jupyter_secure.broker.ledger.accountant import PURE
from jupyter_secure.broker.policy.rules import Budget, DatasetTerms
from jupyter_secure.protocol.dataset import DatasetVersion, Measure
from jupyter_secure.protocol.dpdomain import (
    CategoryDomain,
    ColumnDomain,
    DateDomain,
    DpDomain,
    NumberDomain,
    OpenDomain,
    default_resolution,
)
from jupyter_secure.protocol.errors import RefusedError
from jupyter_secure.protocol.view import ViewSpec


def domain_of(view: ViewSpec, version: DatasetVersion, terms: DatasetTerms, zone: str) -> DpDomain:
    """Return the domain of the columns that a decision lets the person ask about.

    Raises:
        RefusedError: the policy names no privacy unit, so nothing can be promised to anybody.
    """
    if terms.privacy_unit is None:
        raise RefusedError(detail="a dp view without a privacy unit")
    types = {column.name: column.type for column in version.columns}
    asked = [column.name for column in view.columns]
    return DpDomain(
        dataset=version.name,
        privacy_unit=terms.privacy_unit,
        contributions=terms.contributions,
        columns=tuple(_column(terms, name, types[name], zone) for name in asked if terms.askable(name)),
        rows=view.rows,
        measure=UNSET if version.measure == "zcdp" else version.measure,
    )


@dataclass(frozen=True)
class Purse:
    """What may be spent on a dataset.

    Attributes:
        delta: by which rho and epsilon are converted: all that the policy states, or half of it where open keys need
            the other half; `PURE` where the measure of the dataset knows none. A release of open keys may fail by the
            other half times its share of `MOST_RHO`, so all of them together fail by no more than that half
            (docs/adr/0018-grouped-keys.md).
        stated: what is promised: the delta of the policy, or "0".
        project: for the people of one project together; None where it has no cap of its own.
    """

    epsilon: str
    person: str
    default_query: str
    delta: str
    stated: str
    project: str | None


def purse_of(terms: DatasetTerms, measure: Measure) -> Purse:
    """Return what the policy lets people spend on a dataset of a measure.

    Raises:
        RefusedError: it names no budget.
    """
    budget = _budget(terms)
    delta, stated = (PURE, "0") if measure == "pure" else (_converting(terms), budget.delta)
    return Purse(budget.epsilon, budget.person, budget.default_query, delta, stated, budget.project or None)


def _budget(terms: DatasetTerms) -> Budget:
    if terms.budget is None:
        raise RefusedError(detail="a dp view without a budget")
    return terms.budget


def _converting(terms: DatasetTerms) -> str:
    """Return the delta that conversions use; open keys have the other half."""
    delta = _budget(terms).delta
    if not terms.open_keys:
        return delta
    return format((Decimal(delta) / 2).quantize(Decimal("1e-18"), ROUND_FLOOR), "f")


def _column(terms: DatasetTerms, name: str, arrow_type: str, zone: str) -> ColumnDomain:
    if name in (terms.open_keys or ()):
        return OpenDomain(name=name, delta=_converting(terms))
    if name in terms.keys:
        return CategoryDomain(name=name, keys=tuple(_text(key) for key in terms.keys[name]))
    lower, upper = (float(bound) for bound in terms.bounds[name])
    given = terms.resolution.get(name)
    if arrow_type.startswith(("date", "timestamp")):
        return DateDomain(name=name, lower=lower, upper=upper, resolution=float(given or 1), zone=zone)
    resolution = float(given) if given else default_resolution(lower, upper, arrow_type)
    return NumberDomain(name=name, lower=lower, upper=upper, resolution=resolution)


def _text(key: str | int | bool) -> str:
    # Categories are compared as text, and columns of booleans say `true` and `false`.
    return str(key).lower() if isinstance(key, bool) else str(key)
