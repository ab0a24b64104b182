"""How useful synthetic rows are: compared with real ones, where somebody may see both.

Three measures that the field reports: total variation distance of each column's shares and of each pair's (0 is
equal, 1 is nothing in common), difference of correlations, and a model trained on synthetic rows and tested on real
ones. Whoever compares must hold the real rows; what the report says about them is not differentially private.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError

BINS = 10  # deciles of the real values


def compare(made: Any, real: Any, target: str | None = None) -> Any:
    """Return a frame of `measure`, `of` and `value`.

    Args:
        made: synthetic rows, a pandas frame.
        real: real rows with the same columns.
        target: a column of two values that a model is to learn; half of the real rows test it.

    Raises:
        InvalidRequestError: the frames share no column with values, or the target has not two values.
        InstallationError: a target is given and scikit-learn is not installed.
    """
    import pandas as pd

    names = [name for name in real.columns if name in made.columns and made[name].notna().any()]
    names = [name for name in names if _comparable(real[name])]
    if not names or (target is not None and target not in names):
        raise InvalidRequestError("The frames share no column that can be compared, or the target is none of them.")
    ours, theirs = _cells(made, real, names)
    told = [("total variation, one column", name, _distance(ours[[name]], theirs[[name]])) for name in names]
    pairs = [
        ("total variation, two columns", f"{one}, {two}", _distance(ours[[one, two]], theirs[[one, two]]))
        for one, two in itertools.combinations(names, 2)
    ]
    told += pairs
    told += _correlations(made, real, names)
    if target is not None:
        told += _learned(ours, theirs, target)
    return pd.DataFrame(told, columns=["measure", "of", "value"])


def _comparable(column: Any) -> bool:
    return bool(column.notna().any()) and (column.dtype.kind in "iufbM" or column.nunique() <= 1000)


def _cells(made: Any, real: Any, names: Sequence[str]) -> tuple[Any, Any]:
    """Return both frames as cells: deciles of the real values for numbers, one cell for each value else; -1 is none."""
    import pandas as pd

    found: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for name in names:
        cuts = None
        if real[name].dtype.kind in "iufM" and real[name].nunique() > BINS:
            cuts = np.unique(real[name].dropna().quantile(np.arange(1, BINS) / BINS).to_numpy())
        known = pd.Index(pd.unique(real[name].dropna().astype(object)))
        for frame, cells in zip((made, real), found, strict=True):
            if cuts is None:
                cells[name] = known.get_indexer(pd.Index(frame[name].astype(object)))
            else:
                cells[name] = np.where(frame[name].isna(), -1, np.searchsorted(cuts, frame[name].to_numpy(), "right"))
    return pd.DataFrame(found[0]), pd.DataFrame(found[1])


def _distance(ours: Any, theirs: Any) -> float:
    shares = [frame.value_counts(normalize=True) for frame in (ours, theirs)]
    return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)


def _correlations(made: Any, real: Any, names: Sequence[str]) -> list[tuple[str, str, float]]:
    numbers = [name for name in names if real[name].dtype.kind in "iuf" and made[name].dtype.kind in "iuf"]
    if len(numbers) < 2:
        return []
    off = (made[numbers].corr() - real[numbers].corr()).abs()
    return [
        ("difference of correlation", f"{one}, {two}", float(off.loc[one, two]))
        for one, two in itertools.combinations(numbers, 2)
    ]


def _learned(ours: Any, theirs: Any, target: str) -> list[tuple[str, str, float]]:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.metrics import roc_auc_score
    except ImportError:
        raise InstallationError("Training a model needs scikit-learn: install `jupyter-secure[ml]`.") from None
    half = np.arange(len(theirs)) % 2 == 0
    test = theirs[~half]
    if theirs[target].nunique() != 2 or ours[target].nunique() < 2 or test[target].nunique() != 2:
        raise InvalidRequestError(f"`{target}` must have two values in both frames.")

    def area(train: Any) -> float:
        model = HistGradientBoostingClassifier(random_state=0)
        model.fit(train.drop(columns=target), train[target] == 1)
        said = model.predict_proba(test.drop(columns=target))[:, 1]
        return float(roc_auc_score(test[target] == 1, said))

    return [
        ("area under the curve, trained on synthetic rows", target, area(ours)),
        ("area under the curve, trained on real rows", target, area(theirs[half])),
    ]
