"""What a person is told when the answer is no.

A dataset that does not exist and one that no rule lets the person use give the same sentence. Where a rule names the
person and failed on one condition, the condition is told, because it is the person's own rule.
"""

from __future__ import annotations

from jupyter_secure.protocol.decision import Decision
from jupyter_secure.protocol.errors import RefusedError

TOLD = 3


def refusal(dataset: str, decision: Decision | None) -> RefusedError:
    """Return the error for a refused load or question; `decision` is None where there is no such dataset."""
    advice = [] if decision is None else [miss.advice for miss in decision.near_misses if miss.advice]
    told = list(dict.fromkeys(advice))[:TOLD]
    if not told:
        return RefusedError(
            f"Nothing called `{dataset}` is available to you in that form. "
            "`%secure_catalog` lists what is; ask a data steward for more."
        )
    return RefusedError(f"`{dataset}` is not available to you in that form now. {' '.join(told)}")
