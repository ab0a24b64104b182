"""A budget pays for more questions than adding up epsilons would, as the real ledger counts."""

import pytest

from benchmarks.dp_equal_noise import LIMITS, added_up, answered, measure


@pytest.mark.parametrize(("deviation", "ours", "added"), [(14, 72, 29), (28, 290, 59)])
def test_a_budget_answers_so_many_counts_of_equal_noise(deviation, ours, added):
    assert (answered(deviation), added_up(deviation)) == (ours, added)
    assert ours / added >= LIMITS[deviation]


def test_the_benchmark_is_within_its_limits():
    assert [figure["over"] for figure in measure()] == [False, False]
