"""A training against the public facts: everything that can be refused is refused here, before any data and any charge.

Promises: a bound training names columns of fitting kinds, its model holds at most `MAX_CELLS` numbers, and each of its
releases has a positive share of the budget, all shares together at most the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_secure.broker.views.dp.domain import Facts, NumberFacts, OpenFacts
from jupyter_secure.broker.views.dp.predicate import Test, bind_predicate, find
from jupyter_secure.broker.views.dp.release import Price
from jupyter_secure.protocol.errors import BudgetError, InvalidRequestError
from jupyter_secure.protocol.queryread import predicates
from jupyter_secure.protocol.training import (
    MAX_CELLS,
    Bayes,
    Components,
    Gradient,
    Marginals,
    Means,
    Trained,
    Training,
    target_of,
)

from .encode import Block, bind_features
from .tables import SHARES, check_tables, others_of, target_block


@dataclass(frozen=True, slots=True)
class Target:
    """What is learned: a category with its classes, or a number between two codes.

    Attributes:
        classes: number of public keys; 0 for a number.
    """

    col: str
    classes: int = 0
    bounds: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class BoundTraining:
    """A training that cannot be refused any more.

    Attributes:
        columns: all columns it looks at.
        cells: of all blocks together.
        k: rows of one person that are used, at most.
        price: of each release.
    """

    model: Trained
    blocks: tuple[Block, ...]
    target: Target | None
    test: Test | None
    columns: frozenset[str]
    k: int
    price: Price

    @property
    def cells(self) -> int:
        """Return the number of cells."""
        return self.blocks[-1].first + self.blocks[-1].cells


def bind_training(training: Training, facts: Facts, units: int) -> BoundTraining:
    """Return the bound training; `units` is the whole budget, split evenly over the releases.

    Raises:
        InvalidRequestError: the training does not fit the columns.
        BudgetError: the budget is too small to split.
    """
    model = training.train
    blocks = bind_features(training.features, facts)
    target = _target(model, facts)
    _check(model, blocks, target)
    releases = _releases(model)
    if units < releases * (len(blocks) if isinstance(model, Marginals) else 1):  # the choice is split once more
        raise BudgetError("The budget offered is too small to split over the training's steps. Offer more, or fewer.")
    return BoundTraining(
        model=model,
        blocks=blocks,
        target=target,
        test=None if training.where is None else bind_predicate(training.where, facts),
        columns=trained_columns(training),
        k=facts.k,
        price=Price(units, facts.measure).part(releases),
    )


def trained_columns(training: Training) -> frozenset[str]:
    """Return the names of all columns that a training looks at."""
    named = {node.col for node in predicates(training.where) if hasattr(node, "col")}
    named |= {feature.col for feature in training.features}
    target = target_of(training)
    return frozenset(named if target is None else named | {target})


def _releases(model: Trained) -> int:
    if isinstance(model, Gradient):
        return model.steps + 1  # and the number of rows
    if isinstance(model, Marginals):
        return SHARES
    return model.steps if isinstance(model, Means) else 1


def _target(model: Trained, facts: Facts) -> Target | None:
    if not isinstance(model, Gradient | Bayes):
        return None
    column = find(model.target, facts)
    wants_number = isinstance(model, Gradient) and model.loss == "squared"
    if isinstance(column, NumberFacts):
        if not wants_number:
            raise InvalidRequestError(
                f'`{model.target}` is a number: learn it with `"loss": "squared"`, or learn a category.'
            )
        return Target(model.target, bounds=(column.lo, column.hi))
    if isinstance(column, OpenFacts):
        raise InvalidRequestError(f"`{model.target}` has no public keys: learn a category or a number.")
    if wants_number:
        raise InvalidRequestError(f'`{model.target}` is a category: learn it with `"loss": "log"`.')
    return Target(model.target, classes=len(column.keys))


def _check(model: Trained, blocks: tuple[Block, ...], target: Target | None) -> None:
    if target is not None and not target.bounds[1] > target.bounds[0] and target.classes < 2:
        raise InvalidRequestError(f"`{target.col}` has one public value, so there is nothing to learn.")
    if isinstance(model, Gradient) and model.loss == "hinge" and target is not None and target.classes != 2:
        raise InvalidRequestError('`"loss": "hinge"` tells two classes apart. Use `"loss": "log"` for more.')
    loose = next((block.col for block in blocks if (block.bounds is None) != (not _scales(model))), None)
    if isinstance(model, Bayes | Marginals) and loose is not None:
        raise InvalidRequestError(f"This model counts cells: give `{loose}` public `edges`.")
    if isinstance(model, Means | Components) and loose is not None:
        raise InvalidRequestError(f"Distances need numbers: leave `{loose}` or its `edges` out.")
    if isinstance(model, Marginals):
        check_tables(target_block(model, blocks), others_of(model, blocks))
        return
    _check_size(model, blocks, target)


def _scales(model: Trained) -> bool:
    return isinstance(model, Means | Components)


def _check_size(model: Trained, blocks: tuple[Block, ...], target: Target | None) -> None:
    cells = blocks[-1].first + blocks[-1].cells + 1
    per_cell = max(target.classes, 1) if target is not None else 1
    if isinstance(model, Means):
        per_cell = model.clusters
    if cells * per_cell > MAX_CELLS:
        raise InvalidRequestError(f"The model would hold more than {MAX_CELLS:,} numbers. Use fewer cells or classes.")
    if isinstance(model, Components) and model.components > len(blocks):
        raise InvalidRequestError(f"{len(blocks)} columns have at most {len(blocks)} components.")
