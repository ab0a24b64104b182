"""Training with differential privacy: exact integer statistics of rows in, noisy ones out, a model made from those.

Data meet integers only: features, weights, residuals and sums are fixed-point numbers, so what one row adds depends on
that row and on released numbers alone, to the last bit, and the sensitivity of a release is a theorem about integers.
"""
