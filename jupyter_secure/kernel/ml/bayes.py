"""Naive Bayes from noisy counts of every cell by class: one release, cheap and hard to beat at small epsilon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from jupyter_secure.protocol.messages import DpColumn

from .estimator import Numbers, PrivateEstimator, part


class NaiveBayes(ClassifierMixin, PrivateEstimator):
    """Naive Bayes over cells.

    Args:
        epsilon: what the training may cost.
        features: columns to learn from.
        edges: public cut points of number columns.
        bins: equal intervals of a number without cut points.
        alpha: added to every count, so that no cell is impossible.
    """

    def __init__(
        self,
        epsilon: Any = None,
        *,
        features: Sequence[str] | None = None,
        edges: Mapping[str, Sequence[float]] | None = None,
        bins: int = 10,
        alpha: float = 1.0,
    ) -> None:
        self.epsilon = epsilon
        self.features = features
        self.edges = edges
        self.bins = bins
        self.alpha = alpha

    def _bins(self) -> int | None:
        return self.bins

    def _training(self, target: str | None) -> dict[str, Any]:
        return {"op": "naive_bayes", "target": target}

    def _take(self, answer: Any, target: DpColumn | None) -> None:
        assert target is not None
        self.classes_ = np.array(target.keys or (), dtype=object)
        # Noise can make a count negative; nobody is there then.
        self.class_count_ = np.maximum(part(answer, "class")[0], 0) + self.alpha
        self.class_log_prior_ = np.log(self.class_count_ / self.class_count_.sum())
        counts = np.maximum(part(answer, "count"), 0) + self.alpha
        self.feature_log_prob_ = np.vstack(
            [np.log(own / own.sum(axis=0)) for own in np.split(counts, self._starts(), axis=0)]
        )

    def _starts(self) -> list[int]:
        return [column.first for column in self.encoding_.columns[1:]]

    def predict_joint_log_proba(self, X: Any) -> Numbers:  # noqa: N803 - scikit-learn's name
        """Return log P(class, row), shape (rows, classes)."""
        return self.encoding_.scores(X, self.feature_log_prob_, self.class_log_prior_)

    def predict_proba(self, X: Any) -> Numbers:  # noqa: N803 - scikit-learn's name
        """Return the probability of each class, shape (rows, classes)."""
        joint = self.predict_joint_log_proba(X)
        rising = np.exp(joint - joint.max(axis=1, keepdims=True))
        return np.asarray(rising / rising.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Return the likeliest class of each row."""
        return self.classes_[self.predict_joint_log_proba(X).argmax(axis=1)]
