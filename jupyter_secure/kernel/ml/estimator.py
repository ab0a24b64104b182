"""What all private estimators share: asking for a training, and remembering how it was paid.

Fitted attributes follow scikit-learn: `feature_names_in_`, `n_features_in_`, and `privacy_` beside them, which says
what dataset version the model comes from and what epsilon it cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from jupyter_secure.kernel.dp import DpFrame
from jupyter_secure.kernel.dp_column import DpSeries
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import DpColumn

from .encoding import Encoding, encoding

Numbers = NDArray[np.float64]


class PrivateEstimator(BaseEstimator):
    """Base; a subclass says its training in `_training` and takes the answer in `_take`.

    Attributes:
        epsilon: what the training may cost, a decimal string; the policy's default for one question if None.
        features: columns to learn from; if None all but the target that a model can hold.
        edges: public cut points of number columns.
    """

    epsilon: Any
    features: Sequence[str] | None
    edges: Mapping[str, Sequence[float]] | None

    def fit(self, X: Any, y: Any = None) -> Any:  # noqa: N803 - scikit-learn's name
        """Train on a private handle, for the price of one question.

        Args:
            X: a private handle, with conditions if wanted, as in `p[p.age >= 18]`.
            y: the column to learn, as `p.income` or its name.

        Raises:
            InvalidRequestError: what is asked does not fit the handle; nothing was spent.
            BudgetError: the budget does not allow it; nothing was spent.
        """
        handle, target, how = self._asked(X, y)
        answer = handle.train(self._training(target), how.features(), epsilon=self.epsilon)
        self.encoding_ = how
        self.feature_names_in_ = np.array(how.names, dtype=object)
        self.n_features_in_ = len(how.names)
        self.privacy_ = dict(answer.attrs)
        self._take(answer, None if target is None else handle.facts[target])
        return self

    def preview(self, X: Any, y: Any = None) -> Any:  # noqa: N803 - scikit-learn's name
        """Return what `fit` would cost and the margin of its counts; spends nothing."""
        handle, target, how = self._asked(X, y)
        return handle.train(self._training(target), how.features(), epsilon=self.epsilon, dry_run=True)

    def _asked(self, given: Any, learned: Any) -> tuple[DpFrame, str | None, Encoding]:
        if not isinstance(given, DpFrame):
            raise InvalidRequestError(
                "Fit on a private handle, as `%secure_load NAME --as dp` gives it. For an ordinary frame use "
                "scikit-learn itself."
            )
        target = self._target(given, learned)
        usual = [name for name in given.columns if name != target and self._learns(given.facts[name])]
        names = usual if self.features is None else list(self.features)
        if not names or target in names:
            raise InvalidRequestError("Name at least one column to learn from, and not the one that is learned.")
        return given, target, encoding(given.facts, names, self.edges or {}, self._bins())

    def _target(self, given: DpFrame, learned: Any) -> str | None:
        name = learned.name if isinstance(learned, DpSeries) else learned
        if not isinstance(name, str) or name not in given.facts:
            raise InvalidRequestError("Name the column that is learned, as in `model.fit(p, p.income)`.")
        return name

    def _learns(self, column: DpColumn) -> bool:
        """Say whether a column is learned from where nobody names the columns."""
        return column.kind != "open"

    def _bins(self) -> int | None:
        raise NotImplementedError

    def _training(self, target: str | None) -> dict[str, Any]:
        raise NotImplementedError

    def _take(self, answer: Any, target: DpColumn | None) -> None:
        raise NotImplementedError


def part(answer: Any, name: str) -> Numbers:
    """Return one part of a trained table, shape (cells, outputs)."""
    rows = answer[answer["part"] == name]
    outputs = int(rows["output"].max()) + 1 if len(rows) else 1
    return rows["value"].to_numpy(dtype=np.float64).reshape(-1, outputs)
