"""A policy in memory: its terms, its digest, and its plans for the dataset versions it was asked about."""

from __future__ import annotations

import datetime as dt
import hashlib

from jupyter_secure.protocol.canonical import digest
from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.principal import Principal

from .plan import Plan
from .rules import DatasetTerms, PurposeTerms, Terms

PLANS = 256  # more dataset versions than that are in use at once nowhere


def text_digest(text: str) -> str:
    """Return the hex SHA-256 that says which text of a purpose a person acknowledged."""
    return hashlib.sha256(text.encode()).hexdigest()


class Policy:
    """Immutable but for the memory of its plans, which depend on nothing but the arguments.

    Attributes:
        digest: names the policy.
        texts: of each purpose that asks for an acknowledgement, the digest of its text.
    """

    def __init__(self, terms: Terms, zone: dt.tzinfo) -> None:
        self.terms = terms
        self.zone = zone
        self.digest = digest(terms)
        self.texts = {name: text_digest(it.acknowledge) for name, it in terms.purposes.items() if it.acknowledge}
        self._plans: dict[str, Plan] = {}

    @property
    def datasets(self) -> dict[str, DatasetTerms]:
        """Return what is declared of each dataset."""
        return self.terms.datasets

    @property
    def purposes(self) -> dict[str, PurposeTerms]:
        """Return the purposes that may be stated."""
        return self.terms.purposes

    def own_values(self, attribute: str, principal: Principal) -> tuple[str | int | float | bool, ...]:
        """Return what the roles of a person say of an attribute, in the order of the roles' names."""
        said = (self.terms.attributes or {}).get(attribute, {})
        return tuple(dict.fromkeys(value for role, value in said.items() if role in principal.roles))

    def plan(self, version: DatasetVersion) -> Plan | None:
        """Return the policy as it stands for one dataset version; None for a dataset it does not declare."""
        plan = self._plans.get(version.digest)
        # The digest alone is not trusted to stand for the columns: a stale plan would open what it does not know.
        if plan is not None and (plan.version is version or plan.version == version):
            return plan
        terms = self.terms.datasets.get(version.name)
        if terms is None:
            return None
        plan = Plan(version, terms, [rule for rule in self.terms.rules if rule.names(version.name)])
        if len(self._plans) >= PLANS:
            self._plans.clear()
        self._plans[version.digest] = plan
        return plan
