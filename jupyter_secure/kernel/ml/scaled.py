"""Models of number columns scaled to their public bounds: k-means and principal components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import ClusterMixin, TransformerMixin

from jupyter_secure.kernel.dp import DpFrame
from jupyter_secure.protocol.messages import DpColumn

from .estimator import Numbers, PrivateEstimator, part


class _Scaled(PrivateEstimator):
    """Learns from number columns, and nothing is predicted."""

    edges = None

    def _bins(self) -> int | None:
        return None

    def _learns(self, column: DpColumn) -> bool:
        return column.kind in ("number", "date")

    def _target(self, given: DpFrame, learned: Any) -> str | None:  # noqa: ARG002 - no target here
        return None


class KMeans(ClusterMixin, _Scaled):
    """k-means on columns scaled to their public bounds.

    Args:
        n_clusters: number of centres.
        epsilon: what the training may cost.
        features: number columns.
        steps: Lloyd's steps.
        random_state: picks the public points that centres start from.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        epsilon: Any = None,
        *,
        features: Sequence[str] | None = None,
        steps: int = 5,
        random_state: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.epsilon = epsilon
        self.features = features
        self.steps = steps
        self.random_state = random_state

    def _training(self, target: str | None) -> dict[str, Any]:  # noqa: ARG002 - no target here
        return {"op": "k_means", "clusters": self.n_clusters, "steps": self.steps, "seed": self.random_state}

    def _take(self, answer: Any, target: DpColumn | None) -> None:  # noqa: ARG002 - no target here
        self.scaled_centers_ = part(answer, "centre").T
        self.sizes_ = part(answer, "size")[0]
        columns = self.encoding_.columns
        self.cluster_centers_ = np.stack(
            [column.unscaled(self.scaled_centers_[:, place]) for place, column in enumerate(columns)], axis=1
        )

    def transform(self, X: Any) -> Numbers:  # noqa: N803 - scikit-learn's name
        """Return the distance of each row to each centre, in scaled columns."""
        points = self.encoding_.points(X)
        return np.asarray(np.linalg.norm(points[:, None, :] - self.scaled_centers_[None, :, :], axis=2))

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Return the nearest centre of each row."""
        return self.transform(X).argmin(axis=1)


class PCA(TransformerMixin, _Scaled):
    """Principal components of columns scaled to their public bounds.

    Args:
        n_components: how many.
        epsilon: what the training may cost.
        features: number columns.
    """

    def __init__(self, n_components: int = 2, epsilon: Any = None, *, features: Sequence[str] | None = None) -> None:
        self.n_components = n_components
        self.epsilon = epsilon
        self.features = features

    def _training(self, target: str | None) -> dict[str, Any]:  # noqa: ARG002 - no target here
        return {"op": "components", "components": self.n_components}

    def _take(self, answer: Any, target: DpColumn | None) -> None:  # noqa: ARG002 - no target here
        moments = np.vstack([part(answer, "first"), part(answer, "product")])
        rows = max(moments[0, 0], 1.0)
        self.rows_ = float(moments[0, 0])
        self.mean_ = np.clip(moments[0, 1:] / rows, -1, 1)
        covariance = moments[1:, 1:] / rows - np.outer(self.mean_, self.mean_)
        variance, vectors = np.linalg.eigh(covariance)
        order = np.argsort(variance)[::-1][: self.n_components]
        # Noise can push a small variance below 0, which none can be.
        self.explained_variance_ = np.maximum(variance[order], 0)
        self.explained_variance_ratio_ = self.explained_variance_ / max(np.maximum(variance, 0).sum(), 1e-12)
        self.components_ = vectors[:, order].T
        self.n_components_ = len(order)

    def transform(self, X: Any) -> Numbers:  # noqa: N803 - scikit-learn's name
        """Return the rows in the components, shape (rows, components)."""
        return np.asarray((self.encoding_.points(X) - self.mean_) @ self.components_.T)
