"""Epsilon measured on the answers that neighbours give, drawn thousands of times each."""

import math

import numpy as np

from jupyter_secure.broker.ledger.accountant import PURE, epsilon_of

DELTAS = {"zcdp": ("1e-6", "1e-3"), "pure": (PURE,)}  # rho promises an epsilon for each delta


def excess(more, less, units, measure):
    """Return by how much the worst event exceeds the claim of `units` beyond chance; at most 0 where the claim holds.

    Events are "at least t" and "below t". By Dvoretzky, Kiefer and Wolfowitz all shares of a side are off by more than
    `chance` at once only every billionth time.
    """
    more, less = np.sort(more), np.sort(less)
    chance = math.sqrt(math.log(2e9) / (2 * min(len(more), len(less))))
    at = np.unique(np.concatenate([more, less]))
    below = [np.searchsorted(side, at, side="left") / len(side) for side in (more, less)]
    worst = -1.0
    for delta in DELTAS[measure]:
        fails = 0.0 if delta == PURE else float(delta)
        factor = math.exp(float(epsilon_of(units, delta)))
        for one, two in (below, below[::-1], [1 - share for share in below], [1 - share for share in below[::-1]]):
            worst = max(worst, float(np.max(one - factor * two)) - fails - (1 + factor) * chance)
    return worst
