"""Gradient descent on noisy sums of gradients, without clipping.

Every row adds `residual * x` to the sum. A residual is at most 1 by the loss, x touches one cell of each column and the
intercept with at most 1, so one row moves the sum by at most the root of their number: no gradient needs clipping, and
the bound is on integers. Noise is the Gaussian mechanism once for each step (Song, Chaudhuri, Sarwate 2013; zCDP
composition as in Bun and Steinke 2016); momentum and averaging work on released numbers only.

One step: scores of all rows from the weights in fixed point; residuals; exact sums by cell; release; move the weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jupyter_secure.broker.views.dp.release import noise_for, release
from jupyter_secure.broker.views.dp.sensitivity import Sensitivity, of_rows
from jupyter_secure.protocol.training import Gradient

from .bind import BoundTraining
from .encode import Touched
from .fixed import (
    RESIDUAL_BITS,
    RESIDUAL_ONE,
    VALUE_BITS,
    WEIGHT_BITS,
    WEIGHT_LIMIT,
    WEIGHT_ONE,
    falling,
    sigmoid,
    weights,
)

Whole = NDArray[np.int64]
CURVATURE = {"log": 0.25, "hinge": 1.0, "squared": 1.0}  # of one score; softmax has up to twice that of the logistic


def outputs(bound: BoundTraining) -> int:
    """Return the columns of the weights: one score, or one for each class where there are more than two."""
    assert bound.target is not None
    return bound.target.classes if bound.target.classes > 2 else 1


def gradient_sensitivity(bound: BoundTraining) -> Sensitivity:
    """Return the sensitivity of a step's sum.

    A softmax residual (p less one-hot) is at most the root of 2 long, and its parts add up to at most 2.
    """
    touched = (len(bound.blocks) + 1) * (2 if outputs(bound) > 1 else 1)
    return of_rows(touched << RESIDUAL_BITS, touched << (2 * RESIDUAL_BITS), bound.k)


def descend(bound: BoundTraining, rows: list[Touched], target: Whole, counted: int) -> NDArray[np.float64]:
    """Return the released weights, shape (1 + cells, outputs); the first row is the intercept.

    Args:
        bound: the training.
        rows: what the used rows touch.
        target: class of each used row, or its number in `RESIDUAL_BITS`.
        counted: the released number of rows.
    """
    model = bound.model
    assert isinstance(model, Gradient)
    reach = gradient_sensitivity(bound)
    noise = noise_for(reach, bound.price)
    touched = len(bound.blocks) + 1
    weight = np.zeros((1 + bound.cells, outputs(bound)))
    rate = model.rate / (CURVATURE[model.loss] * min(outputs(bound), 2))
    velocity, average = np.zeros_like(weight), np.zeros_like(weight)
    penalty = np.full((len(weight), 1), model.decay)
    penalty[0] = 0
    first = model.steps // 2  # the average of the second half has less noise than any one step
    for step in range(model.steps):
        exact = gradient(model.loss, weights(weight), rows, target)
        noisy = release(exact.ravel(), noise, reach, bound.price).astype(np.float64)
        slope = noisy.reshape(weight.shape) / RESIDUAL_ONE / counted / touched
        velocity = model.momentum * velocity - rate * (slope + penalty * weight)
        weight = np.clip(weight + velocity, -WEIGHT_LIMIT, WEIGHT_LIMIT)
        if step >= first:
            average += weight / (model.steps - first)
    return average


def gradient(loss: str, weight: Whole, rows: list[Touched], target: Whole) -> Whole:
    """Return the exact sum of gradients, shape of the weights, in `RESIDUAL_BITS`."""
    columns = range(weight.shape[1])
    residual = _residuals(loss, [_scores(weight[:, each], rows) for each in columns], target)
    return np.stack([_sums(len(weight), rows, residual[each]) for each in columns], axis=1)


def _scores(weight: Whole, rows: list[Touched]) -> Whole:
    score = weight[0]
    for cell, value in rows:
        own = weight[1 + cell]
        score = score + (own if value is None else (own * value) >> VALUE_BITS)
    return np.asarray(score)


def _residuals(loss: str, scores: list[Whole], target: Whole) -> list[Whole]:
    if loss == "squared":
        # Huber's loss with the width of half the target's bounds: its slope is cut, not the data.
        near = (scores[0] << (RESIDUAL_BITS - WEIGHT_BITS)) - target
        return [np.clip(near, -RESIDUAL_ONE, RESIDUAL_ONE)]
    if loss == "hinge":
        sign = 2 * target - 1
        return [np.where(sign * scores[0] < WEIGHT_ONE, -sign << RESIDUAL_BITS, 0)]
    if len(scores) == 1:
        return [sigmoid(scores[0]) - (target << RESIDUAL_BITS)]
    top = np.maximum.reduce(scores)
    falls = [falling(top - score) for score in scores]
    whole = np.sum(falls, axis=0)
    return [
        (fall << RESIDUAL_BITS) // whole - ((target == each).astype(np.int64) << RESIDUAL_BITS)
        for each, fall in enumerate(falls)
    ]


def _sums(size: int, rows: list[Touched], residual: Whole) -> Whole:
    total = np.zeros(size, dtype=np.int64)
    total[0] = residual.sum()
    for cell, value in rows:
        added = residual if value is None else (residual * value) >> VALUE_BITS
        # Exact in floating point: at most 2**31 rows of at most 2**20 stay below 2**53, in any order.
        total[1:] += np.bincount(cell, weights=added, minlength=size - 1).astype(np.int64)
    return total
