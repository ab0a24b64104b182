"""What each question may cost."""

EPSILON, DELTA = 1.0, 1e-6
