"""Linear models by noisy gradient descent: logistic regression, a linear support vector machine, linear regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

from jupyter_secure.protocol.messages import DpColumn

from .estimator import Numbers, PrivateEstimator, part


class _Linear(PrivateEstimator):
    """A model whose score is an intercept and a weight for each cell.

    Args:
        epsilon: what the training may cost.
        features: columns to learn from.
        edges: public cut points of number columns.
        bins: equal intervals of a number without cut points; None scales it instead.
        steps: noisy gradients; more steps, more noise in each.
        rate: learning rate, in units of the inverse of the loss's largest curvature.
        momentum: share of the last step that is kept.
        decay: L2 penalty.
    """

    _loss = ""

    def __init__(  # noqa: PLR0913 - the settings of one training
        self,
        epsilon: Any = None,
        *,
        features: Sequence[str] | None = None,
        edges: Mapping[str, Sequence[float]] | None = None,
        bins: int | None = 10,
        steps: int = 100,
        rate: float = 2.0,
        momentum: float = 0.9,
        decay: float = 0.0,
    ) -> None:
        self.epsilon = epsilon
        self.features = features
        self.edges = edges
        self.bins = bins
        self.steps = steps
        self.rate = rate
        self.momentum = momentum
        self.decay = decay

    def _bins(self) -> int | None:
        return self.bins

    def _training(self, target: str | None) -> dict[str, Any]:
        settings = {"steps": self.steps, "rate": self.rate, "momentum": self.momentum, "decay": self.decay}
        return {"op": "gradient", "target": target, "loss": self._loss, **settings}

    def _take(self, answer: Any, target: DpColumn | None) -> None:
        assert target is not None
        self.intercept_ = part(answer, "intercept")[0]
        self.coef_ = part(answer, "weight").T
        self.rows_ = float(part(answer, "rows")[0, 0])
        self.n_iter_ = self.steps
        self._learned(target)

    def _learned(self, target: DpColumn) -> None:
        raise NotImplementedError

    def _scores(self, frame: Any) -> Numbers:
        return self.encoding_.scores(frame, self.coef_.T, self.intercept_)


class _Classifier(ClassifierMixin, _Linear):
    """A linear model of a category; `classes_` are its public keys."""

    def _learned(self, target: DpColumn) -> None:
        self.classes_ = np.array(target.keys or (), dtype=object)

    def decision_function(self, X: Any) -> Numbers:  # noqa: N803 - scikit-learn's name
        """Return scores, one for two classes, else one for each class."""
        scores = self._scores(X)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Return the likeliest class of each row."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]


class LogisticRegression(_Classifier):
    """Logistic regression; softmax for more than two classes."""

    _loss = "log"

    def predict_proba(self, X: Any) -> Numbers:  # noqa: N803 - scikit-learn's name
        """Return the probability of each class, shape (rows, classes)."""
        scores = self._scores(X)
        if scores.shape[1] == 1:
            scores = np.hstack([np.zeros_like(scores), scores])
        rising = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(rising / rising.sum(axis=1, keepdims=True))


class LinearSVC(_Classifier):
    """A linear support vector machine for two classes (hinge loss)."""

    _loss = "hinge"


class LinearRegression(RegressorMixin, _Linear):
    """Linear regression of a number; residuals are cut at half the width of the target's public bounds."""

    _loss = "squared"

    def _learned(self, target: DpColumn) -> None:
        self.bounds_ = float(target.lower or 0), float(target.upper or 0)

    def predict(self, X: Any) -> Numbers:  # noqa: N803 - scikit-learn's name
        """Return the expected number of each row, inside the public bounds."""
        lower, upper = self.bounds_
        return np.clip((self._scores(X)[:, 0] + 1) / 2 * (upper - lower) + lower, lower, upper)
