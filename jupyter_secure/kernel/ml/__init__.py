"""Models trained on a private dataset: scikit-learn's interface, trained by the broker, noise before anything leaves.

    from jupyter_secure import ml

    model = ml.LogisticRegression(epsilon="1.0", edges={"age": [30, 40, 50]})
    model.fit(p, p.income)              # p is a private handle: charged once, the exact repeat is free
    model.predict(frame)                # an ordinary fitted estimator from here on

`fit` sends names, public cut points and settings; rows never come here. What is fixed in the constructor is fixed
before any data is seen: each `fit` with other settings is charged, so searching for good ones has its price.
"""

from __future__ import annotations

try:
    import sklearn as _sklearn
except ImportError:
    raise ImportError("`jupyter_secure.ml` needs scikit-learn: install `jupyter-secure[ml]`.") from None

from .bayes import NaiveBayes
from .linear import LinearRegression, LinearSVC, LogisticRegression
from .scaled import PCA, KMeans

__all__ = ["PCA", "KMeans", "LinearRegression", "LinearSVC", "LogisticRegression", "NaiveBayes"]

del _sklearn
