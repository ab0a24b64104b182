"""Fixed-point numbers of trainings.

A vectorised `exp` may round one row differently when another row is taken away (the tail of an array goes through other
instructions), and then one person would move everybody's gradients. So nonlinear functions are tables over integers,
made once and the same for every row.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

VALUE_BITS = 10  # a scaled column: -1024 to 1024 stands for -1 to 1
WEIGHT_BITS = 16
RESIDUAL_BITS = 20
VALUE_ONE = 1 << VALUE_BITS
WEIGHT_ONE = 1 << WEIGHT_BITS
RESIDUAL_ONE = 1 << RESIDUAL_BITS
WEIGHT_LIMIT = 64.0  # weights beyond it say nothing more: their logistic is 0 or 1
SCORE_LIMIT = 16  # beyond it a logistic is 0 or 1 to seven digits
TABLE_SHIFT = 6  # the tables step by 2 ** -10
SPAN_BITS = 40


def scaled(codes: NDArray[np.int64], lo: int, hi: int, bits: int) -> NDArray[np.int64]:
    """Return codes of `lo..hi` as integers from -2**bits to 2**bits, by whole-number arithmetic."""
    shift = max(0, (hi - lo).bit_length() - SPAN_BITS)
    span = max((hi - lo) >> shift, 1)
    moved = np.minimum((codes - lo) >> shift, span)
    return np.asarray((moved << (bits + 1)) // span - (1 << bits))


def weights(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return released weights as fixed-point numbers."""
    return _whole(np.clip(values, -WEIGHT_LIMIT, WEIGHT_LIMIT) * WEIGHT_ONE)


def sigmoid(scores: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the logistic of scores (in `WEIGHT_BITS`) in `RESIDUAL_BITS`."""
    limit = SCORE_LIMIT << WEIGHT_BITS
    return np.asarray(_sigmoids()[(np.clip(scores, -limit, limit) + limit) >> TABLE_SHIFT])


def falling(scores: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return exp(-score) of scores that are not negative, in `RESIDUAL_BITS`."""
    return np.asarray(_exponentials()[np.minimum(scores, SCORE_LIMIT << WEIGHT_BITS) >> TABLE_SHIFT])


@functools.cache
def _sigmoids() -> NDArray[np.int64]:
    steps = np.arange(-_STEPS, _STEPS + 1) * _WIDTH
    return _whole(RESIDUAL_ONE / (1 + np.exp(-steps)))


@functools.cache
def _exponentials() -> NDArray[np.int64]:
    return _whole(RESIDUAL_ONE * np.exp(-np.arange(_STEPS + 1) * _WIDTH))


def _whole(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(np.rint(values), dtype=np.int64)


_STEPS = (SCORE_LIMIT << WEIGHT_BITS) >> TABLE_SHIFT
_WIDTH = 2.0 ** (TABLE_SHIFT - WEIGHT_BITS)
