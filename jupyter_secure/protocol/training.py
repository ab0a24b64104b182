"""The closed family of trainings with differential privacy (docs/spec/training-v1.md).

A training is a question whose answer is a model: it names columns, public cut points and settings, and nothing that is
code. What is fixed here is fixed before any data is seen, so nothing is tuned on private rows for free. Promise: two
texts of one meaning-as-written have one canonical form, as for `query.Question`; a repeated training is answered from
the ledger's record.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Literal, get_args

import msgspec

from .errors import InvalidRequestError
from .noun import ColumnName, DatasetName, Noun
from .query import Number, Where

MAX_FEATURES = 100
MAX_CELLS = 10_000  # numbers in one release, and in one model

Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=1000)]
Edges = Annotated[tuple[Number, ...], msgspec.Meta(min_length=1, max_length=1000)]


class Feature(Noun):
    """One column that a model learns from.

    Attributes:
        edges: rising public cut points of a number; without them a number enters as one value, scaled to its public
            bounds. A category enters by its public keys.
    """

    col: ColumnName
    edges: Edges | None = None


class Model(Noun, tag_field="op"):
    """Base of what can be trained; `op` is the tag."""


class Gradient(Model, tag="gradient"):
    """A linear model by gradient descent: every step releases one noisy sum of gradients.

    Attributes:
        target: a category (`log`, `hinge`) or a number (`squared`).
        loss: `log` is logistic regression (softmax for more than two keys), `hinge` a linear support vector machine for
            two keys, `squared` linear regression whose residuals are cut at the width of half the target's bounds.
        steps: noisy gradients; more steps mean more noise in each.
        rate: learning rate in units of the inverse of the loss's largest curvature over rows of length at most 1; with
            momentum b, descent is stable below 2 (1 + b).
        momentum: share of the last step that is kept.
        decay: L2 penalty of the weights, without the intercept's.
    """

    target: ColumnName
    loss: Literal["log", "hinge", "squared"] = "log"
    steps: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100
    rate: Rate = 2.0
    momentum: Share = 0.9
    decay: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class Bayes(Model, tag="naive_bayes"):
    """Naive Bayes over cells: one release of the counts of every cell by class."""

    target: ColumnName


class Means(Model, tag="k_means"):
    """k-means by Lloyd's steps, each one release of noisy counts and sums.

    Attributes:
        clusters: number of centres.
        steps: Lloyd's steps.
        seed: picks the public points that the centres start from.
    """

    clusters: Annotated[int, msgspec.Meta(ge=1, le=100)]
    steps: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0


class Components(Model, tag="components"):
    """Principal components: one release of the noisy first and second moments of the scaled columns.

    Attributes:
        components: how many are wanted.
    """

    components: Annotated[int, msgspec.Meta(ge=1, le=MAX_FEATURES)]


class Marginals(Model, tag="marginals"):
    """What synthetic rows are drawn from: counts of every column, and of the pairs of columns that form a tree.

    Attributes:
        target: a category among the features; every count is taken by its cells too, so that what is learned of it from
            synthetic rows holds for real ones.
    """

    target: ColumnName | None = None


Trained = Gradient | Bayes | Means | Components | Marginals


class Training(Noun):
    """One training, version 1."""

    v: Annotated[int, msgspec.Meta(ge=1, le=1)]
    dataset: DatasetName
    train: Trained
    features: Annotated[tuple[Feature, ...], msgspec.Meta(min_length=1, max_length=MAX_FEATURES)]
    where: Where | None = None


MODELS = tuple(str(kind.__struct_config__.tag) for kind in get_args(Trained))


def target_of(training: Training) -> str | None:
    """Return the column that is learned, or None."""
    return training.train.target if isinstance(training.train, Gradient | Bayes) else None


def check_training(training: Training) -> None:
    """Refuse what no type can state.

    Raises:
        InvalidRequestError: a column is named twice, or cut points do not rise.
    """
    names = [feature.col for feature in training.features]
    if len({*names, target_of(training)}) != len(names) + 1:
        raise InvalidRequestError("A training names each column once, and does not learn a column from itself.")
    for feature in training.features:
        edges = feature.edges or ()
        if any(low >= high for low, high in itertools.pairwise(edges)):
            raise InvalidRequestError(f"The `edges` of `{feature.col}` must rise.")
