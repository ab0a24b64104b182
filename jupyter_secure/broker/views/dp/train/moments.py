"""Models that need one look, or a few, at counts and sums: naive Bayes, k-means, principal components.

What is released are noisy counts, sums and products; probabilities, centres and components are made from them
afterwards, which costs nothing. One row adds to a count slot with weight 1 (in fixed point) beside its values, so the
whole vector of one release has one sensitivity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jupyter_secure.broker.views.dp.release import Price, noise_for, release
from jupyter_secure.broker.views.dp.sensitivity import Sensitivity, of_rows
from jupyter_secure.protocol.training import Means

from .bind import BoundTraining
from .encode import Touched, values
from .fixed import VALUE_BITS, VALUE_ONE

Whole = NDArray[np.int64]


def bayes_sensitivity(bound: BoundTraining) -> Sensitivity:
    """Return the sensitivity: one row adds 1 to its class and 1 to one cell of each column."""
    touched = len(bound.blocks) + 1
    return of_rows(touched, touched, bound.k)


def means_sensitivity(bound: BoundTraining) -> Sensitivity:
    """Return the sensitivity of one Lloyd step: a row adds 1 to the count of one cluster and its values to the sums.

    Counts are in the same fixed point as values.
    """
    touched = len(bound.blocks) + 1
    return of_rows(touched << VALUE_BITS, touched << (2 * VALUE_BITS), bound.k)


def moments_sensitivity(bound: BoundTraining) -> Sensitivity:
    """Return the sensitivity of moments: 1, d values and the upper triangle of their products.

    The products of the triangle, squared and added, are at most the square of the sum of squares: d * d.
    """
    columns = len(bound.blocks)
    triangle = columns * (columns + 1) // 2
    return of_rows(
        (1 + columns + triangle) << (2 * VALUE_BITS), (1 + columns + columns * columns) << (4 * VALUE_BITS), bound.k
    )


def cell_counts(bound: BoundTraining, rows: list[Touched], target: Whole) -> Whole:
    """Return exact counts, shape (1 + cells, classes); the first row counts the classes."""
    assert bound.target is not None
    classes, size = bound.target.classes, 1 + bound.cells
    total = np.zeros((size, classes), dtype=np.int64)
    total[0] = np.bincount(target, minlength=classes)
    for cell, _ in rows:
        total += np.bincount((1 + cell) * classes + target, minlength=size * classes).reshape(size, classes)
    return total


def count_cells(bound: BoundTraining, rows: list[Touched], target: Whole) -> NDArray[np.float64]:
    """Return the released counts of `cell_counts`."""
    return _released(cell_counts(bound, rows, target), bayes_sensitivity(bound), bound.price)


def cluster(bound: BoundTraining, rows: list[Touched]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return released centres from -1 to 1, shape (clusters, columns), and the noisy sizes of the last step."""
    model = bound.model
    assert isinstance(model, Means)
    points = values(rows)
    centres = _spread(model.clusters, points.shape[1], model.seed)
    sizes = np.zeros(model.clusters)
    for _ in range(model.steps):
        noisy = _released(lloyd(points, centres), means_sensitivity(bound), bound.price)
        sizes = noisy[:, 0] / VALUE_ONE
        # A cluster that noise says is empty keeps its centre.
        moved = np.where(noisy[:, :1] >= VALUE_ONE, noisy[:, 1:] / np.maximum(sizes, 1)[:, None], centres)
        centres = np.rint(np.clip(moved, -VALUE_ONE, VALUE_ONE)).astype(np.int64)
    return centres / VALUE_ONE, sizes


def lloyd(points: Whole, centres: Whole) -> Whole:
    """Return each cluster's exact count (in fixed point) and sums, shape (clusters, 1 + columns)."""
    best, near = np.full(len(points), np.iinfo(np.int64).max), np.zeros(len(points), dtype=np.int64)
    for number, centre in enumerate(centres):
        distance = np.square(points - centre).sum(axis=1)
        near[distance < best] = number
        best = np.minimum(best, distance)
    total = np.zeros((len(centres), 1 + points.shape[1]), dtype=np.int64)
    total[:, 0] = np.bincount(near, minlength=len(centres)) << VALUE_BITS
    np.add.at(total[:, 1:], near, points)
    return total


def moments(bound: BoundTraining, rows: list[Touched]) -> NDArray[np.float64]:
    """Return released moments about 0, shape (1 + columns, 1 + columns): rows, sums, then products, symmetric."""
    total = products(values(rows))
    corner = np.triu_indices(len(total))
    noisy = _released(total[corner], moments_sensitivity(bound), bound.price)
    whole = np.zeros(total.shape)
    whole[corner] = noisy
    return np.asarray((whole + np.triu(whole, 1).T) / VALUE_ONE**2)


def products(points: Whole) -> Whole:
    """Return the exact products of (1, values), in the square of the values' fixed point.

    Exact in floating point: at most 2**31 rows of at most 2**20 stay below 2**53, in any order.
    """
    with_one = np.hstack([np.full((len(points), 1), VALUE_ONE), points]).astype(np.float64)
    return (with_one.T @ with_one).astype(np.int64)


def _released(exact: Whole, reach: Sensitivity, price: Price) -> NDArray[np.float64]:
    noisy = release(exact.ravel(), noise_for(reach, price), reach, price)
    return noisy.astype(np.float64).reshape(exact.shape)


def _spread(clusters: int, columns: int, seed: int) -> Whole:
    """Return starting centres from public randomness: each the farthest of many points from those before it."""
    choice = np.random.default_rng(seed).uniform(-1, 1, (256 + clusters, columns))
    chosen = [choice[0]]
    for _ in range(clusters - 1):
        distance = np.min([np.square(choice - each).sum(axis=1) for each in chosen], axis=0)
        chosen.append(choice[int(distance.argmax())])
    return np.asarray(np.rint(np.array(chosen) * VALUE_ONE), dtype=np.int64)
