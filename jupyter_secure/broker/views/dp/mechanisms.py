"""What is used of OpenDP, with nothing unproved switched on.

`opendp.prelude` is not: where scikit-learn is installed it loads that and SciPy, which is half of a worker's memory and
most of the time it takes to start.
"""

from __future__ import annotations

import opendp.measurements as m
from opendp.accuracy import (
    discrete_gaussian_scale_to_accuracy,
    discrete_laplacian_scale_to_accuracy,
    gaussian_scale_to_accuracy,
)
from opendp.domains import atom_domain, map_domain, vector_domain
from opendp.measures import max_divergence, zero_concentrated_divergence
from opendp.metrics import absolute_distance, l02inf_distance, l1_distance, l2_distance, linf_distance
from opendp.mod import enable_features

__all__ = [
    "absolute_distance",
    "atom_domain",
    "discrete_gaussian_scale_to_accuracy",
    "discrete_laplacian_scale_to_accuracy",
    "gaussian_scale_to_accuracy",
    "l02inf_distance",
    "l1_distance",
    "l2_distance",
    "linf_distance",
    "m",
    "map_domain",
    "max_divergence",
    "vector_domain",
    "zero_concentrated_divergence",
]

enable_features("contrib")
