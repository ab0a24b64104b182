"""Public test kit: a whole broker in a temporary folder, a fake clock, conformance suites."""
