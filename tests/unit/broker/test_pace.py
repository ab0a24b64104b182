"""Answers leave on a grid of times."""

import pytest

from jupyter_secure.broker.pace import FIRST_MARK, Pace, next_mark


@pytest.mark.parametrize(
    ("elapsed", "mark"),
    [(0, 0.024), (0.001, 0.024), (0.024, 0.024), (0.0241, 0.048), (0.05, 0.096), (0.097, 0.192), (5, 6.144)],
)
def test_the_next_mark(elapsed, mark):
    assert next_mark(elapsed) == pytest.approx(mark)


class Clock:
    """A clock whose first sleeper wakes a little early, as real timers do."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds + (1e-6 if self.slept else -1e-4)
        self.slept.append(seconds)


@pytest.mark.parametrize("took", [0.0, 0.0003, 0.0199, 0.033, 0.9])
async def test_nothing_leaves_before_a_mark_and_what_took_about_as_long_leaves_at_the_same(took):
    clock = Clock()
    pace = Pace(clock, clock.sleep)
    clock.now += took
    await pace.mark()
    left = clock.now - 100
    assert left == pytest.approx(next_mark(took), abs=1e-3)
    assert left >= next_mark(took) - 1e-9
    assert left >= FIRST_MARK - 1e-9
