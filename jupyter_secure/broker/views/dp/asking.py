"""What may be asked of a private dataset, a question or a training, and each step of answering it by its kind."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from jupyter_secure.broker.views.payment import Paid
from jupyter_secure.protocol.training import Training
from jupyter_secure.protocol.trainingread import Asked

from .answer import Answered, answer, forecast
from .bind import Bound, asked_columns, bind
from .domain import Facts
from .normalise import Normal
from .sensitivity import PersonsPart
from .train.bind import BoundTraining, bind_training, trained_columns
from .train.fit import fit, forecast_training
from .value import FORECAST_ROWS

BoundAsked = Bound | BoundTraining


def columns_of(asked: Asked) -> frozenset[str]:
    """Return the names of all columns that it looks at."""
    return trained_columns(asked) if isinstance(asked, Training) else asked_columns(asked)


def bind_asked(asked: Asked, facts: Facts, units: int) -> BoundAsked:
    """Return it bound to the public facts; `units` is the whole budget, in the measure of the facts.

    Raises:
        InvalidRequestError: it does not fit the columns.
        BudgetError: the budget is too small to split.
    """
    return bind_training(asked, facts, units) if isinstance(asked, Training) else bind(asked, facts, units)


def answer_asked(bound: BoundAsked, columns: Mapping[str, Normal], kept: NDArray[np.bool_], paid: Paid) -> Answered:
    """Release the answer, once, and draw no noise before `paid` returns."""
    if isinstance(bound, Bound):
        return answer(bound, columns, kept, paid)
    paid()
    return fit(bound, columns, kept)


def counts_persons(bound: BoundAsked) -> bool:
    """Say whether it needs to know which rows belong to one person."""
    return isinstance(bound, Bound) and PersonsPart() in bound.parts


def forecast_asked(bound: BoundAsked, rows: int | None) -> dict[str, float]:
    """Return the margins to expect, without data and without cost; of ratios for groups of so many rows."""
    return forecast_training(bound) if isinstance(bound, BoundTraining) else forecast(bound, rows or FORECAST_ROWS)
