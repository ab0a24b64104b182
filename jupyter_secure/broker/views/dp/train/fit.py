"""One bound training over normalised columns: the table of a model that leaves.

The table has one row for each number: `part`, `feature` (number of the column among the features, -1 for none), `cell`
(inside its column), `output` (class or cluster), `value`. Its rows stand in a fixed order that public facts give.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jupyter_secure.broker.views.dp.answer import Answered
from jupyter_secure.broker.views.dp.normalise import Normal
from jupyter_secure.broker.views.dp.predicate import certainly
from jupyter_secure.broker.views.dp.release import Noise, noise_for, release
from jupyter_secure.broker.views.dp.sensitivity import CountPart, Sensitivity, sensitivity
from jupyter_secure.protocol.training import Bayes, Gradient, Marginals, Means

from .bind import BoundTraining, Target
from .encode import design
from .fixed import RESIDUAL_BITS, VALUE_ONE, scaled
from .gradient import descend
from .marginals import Counted, Tables, ones_noise, pairs_noise, release_tables
from .moments import (
    bayes_sensitivity,
    cluster,
    count_cells,
    means_sensitivity,
    moments,
    moments_sensitivity,
)
from .tables import others_of


def fit(bound: BoundTraining, columns: Mapping[str, Normal], kept: NDArray[np.bool_]) -> Answered:
    """Train once.

    Args:
        bound: the training.
        columns: codes of every column in `bound.columns`.
        kept: rows that bounding of contributions left.
    """
    used = kept if bound.test is None else kept & certainly(bound.test, columns)
    if bound.target is not None:
        used = used & known(bound.target, columns)
    rows = design(bound.blocks, columns, used)
    model = bound.model
    if isinstance(model, Gradient):
        counted = _count(bound, int(np.count_nonzero(used)))
        weight = descend(bound, rows, learned(bound.target, columns, used), max(counted, 1))
        parts = [_scalar("rows", counted), *_by_cell(bound, ("intercept", "weight"), weight)]
    elif isinstance(model, Bayes):
        counts = count_cells(bound, rows, learned(bound.target, columns, used))
        parts = _by_cell(bound, ("class", "count"), counts)
    elif isinstance(model, Marginals):
        parts = _by_pair(bound, release_tables(bound, Counted(bound, rows)))
    elif isinstance(model, Means):
        centres, sizes = cluster(bound, rows)
        parts = _by_cell(bound, ("size", "centre"), np.vstack([sizes, centres.T]))
    else:
        parts = _by_cell(bound, ("first", "product"), moments(bound, rows))
    return Answered(pa.concat_tables(parts), forecast_training(bound))


def forecast_training(bound: BoundTraining) -> dict[str, float]:
    """Return the margin of the counts that come with a model, which public facts alone decide."""
    model = bound.model

    def noise_of(reach: Sensitivity) -> Noise:
        return noise_for(reach, bound.price)

    if isinstance(model, Gradient):
        return {"rows": float(noise_of(sensitivity(CountPart(), bound.k)).margin())}
    if isinstance(model, Bayes):
        return {"count of a cell": float(noise_of(bayes_sensitivity(bound)).margin())}
    if isinstance(model, Means):
        return {"size of a cluster": noise_of(means_sensitivity(bound)).margin() / VALUE_ONE}
    if isinstance(model, Marginals):
        ones, pairs = ones_noise(bound)[0], pairs_noise(bound)[0]
        return {"count of a cell": float(ones.margin()), "count of a pair": float(pairs.margin())}
    return {"rows": noise_of(moments_sensitivity(bound)).margin() / VALUE_ONE**2}


def known(target: Target, columns: Mapping[str, Normal]) -> NDArray[np.bool_]:
    """Return which rows have something to learn: a number, or one of the public classes."""
    column = columns[target.col]
    return ~column.null & (column.codes >= 0) if target.classes else ~column.null


def learned(target: Target | None, columns: Mapping[str, Normal], used: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the class of each used row, or its number in `RESIDUAL_BITS`."""
    assert target is not None
    codes = columns[target.col].codes[used]
    return codes if target.classes else scaled(codes, *target.bounds, RESIDUAL_BITS)


def _count(bound: BoundTraining, rows: int) -> int:
    reach = sensitivity(CountPart(), bound.k)
    return int(release(np.array([rows]), noise_for(reach, bound.price), reach, bound.price)[0])


def _scalar(part: str, value: float) -> pa.Table:
    return _table(part, np.array([-1]), np.array([0]), np.array([[value]]))


def _by_cell(bound: BoundTraining, parts: tuple[str, str], values: NDArray[np.float64]) -> list[pa.Table]:
    """Return the first row of values, which belongs to no column, and the others by column and cell."""
    feature = np.repeat(np.arange(len(bound.blocks)), [block.cells for block in bound.blocks])
    cell = np.concatenate([np.arange(block.cells) for block in bound.blocks])
    return [
        _table(parts[0], np.array([-1]), np.array([0]), values[:1]),
        _table(parts[1], feature, cell, values[1:]),
    ]


def _by_pair(bound: BoundTraining, tables: Tables) -> list[pa.Table]:
    """Return totals, then each column's counts, then for each child its parent's place and their counts."""
    assert isinstance(bound.model, Marginals)
    place = [bound.blocks.index(block) for block in others_of(bound.model, bound.blocks)]
    parts = [_table("total", np.array([-1]), np.array([0]), tables.totals[None, :])]
    parts += [_of_feature("one", feature, counts) for feature, counts in zip(place, tables.ones, strict=True)]
    for (child, parent), counts in tables.pairs.items():
        parts.append(_of_feature("parent", place[child], np.array([[place[parent]]])))
        parts.append(_of_feature("pair", place[child], counts.reshape(len(counts), -1)))
    return parts


def _of_feature(part: str, feature: int, values: NDArray[np.int64]) -> pa.Table:
    return _table(part, np.full(len(values), feature), np.arange(len(values)), values)


def _table(part: str, feature: NDArray[np.int64], cell: NDArray[np.int64], values: NDArray[Any]) -> pa.Table:
    rows, width = values.shape
    return pa.table(
        {
            "part": pa.array([part] * (rows * width), pa.string()),
            "feature": pa.array(np.repeat(feature, width), pa.int32()),
            "cell": pa.array(np.repeat(cell, width), pa.int32()),
            "output": pa.array(np.tile(np.arange(width), rows), pa.int32()),
            "value": pa.array(np.asarray(values, dtype=np.float64).ravel()),
        }
    )
