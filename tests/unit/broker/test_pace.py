"""Answers leave on a grid of times that begins when the question came."""

import math

import pytest

from jupyter_secure.broker.pace import FIRST_MARK, LITTLE, Pace, next_mark


@pytest.mark.parametrize(
    ("elapsed", "mark"),
    [(0, 0.016), (0.001, 0.016), (0.016, 0.016), (0.0161, 0.032), (0.05, 0.064), (0.065, 0.128), (5, 8.192)],
)
def test_the_next_mark(elapsed, mark):
    assert next_mark(elapsed) == pytest.approx(mark)


class Clock:
    """A clock whose timer rounds up to whole milliseconds, as the loop's does; a turn of the loop takes 10 us."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += math.ceil(seconds * 1000) / 1000 if seconds else 1e-5
        self.slept.append(seconds)


@pytest.mark.parametrize("took", [0.0, 0.0003, 0.0089, 0.0105, 0.0199, 0.033, 0.9, 0.90071])
async def test_nothing_leaves_before_a_mark_and_how_the_timer_rounds_tells_nothing(took):
    clock = Clock()
    pace = Pace(100.0, clock, clock.sleep)
    clock.now += took
    await pace.mark()
    left = clock.now - 100
    assert left == pytest.approx(next_mark(took), abs=2e-5)
    assert left >= next_mark(took) - 1e-9
    assert left >= FIRST_MARK - 1e-9


@pytest.mark.parametrize("took", [0.0, 0.004, 0.0089, 0.0105, 0.12, 0.9])
async def test_what_is_looked_at_last_is_a_little_before_the_mark_and_moves_it_not(took):
    clock = Clock()
    pace = Pace(100.0, clock, clock.sleep)
    clock.now += took
    await pace.nearly()
    looked = clock.now - 100
    assert next_mark(looked) == next_mark(took)
    assert next_mark(took) - looked <= LITTLE + 1e-9
    await pace.mark()
    assert clock.now - 100 == pytest.approx(next_mark(took), abs=2e-5)
