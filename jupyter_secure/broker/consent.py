"""The sealed lists of persons that policies join: their newest versions, and their keys for a worker.

Promises: a list that is not sealed or is damaged is missing, and a dataset whose list is missing is refused; of a list
nothing but the column that names persons is opened.
"""

from __future__ import annotations

from jupyter_secure.broker.policy.policy import Policy
from jupyter_secure.broker.sealed.catalog import Catalog
from jupyter_secure.protocol.errors import IntegrityError, RefusedError


def list_versions(policy: Policy, catalog: Catalog) -> dict[str, int]:
    """Return the newest version of each list that the policy joins."""
    found = {}
    for name in sorted({terms.consent.dataset for terms in policy.datasets.values() if terms.consent}):
        try:
            found[name] = catalog.latest(name).version
        except (RefusedError, IntegrityError):
            continue
    return found
