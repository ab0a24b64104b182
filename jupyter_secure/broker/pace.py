"""When an answer may leave: on a fixed grid of times after it was asked for, so that how long it took tells little.

A filter that matches thousands of rows takes longer than one that matches none, and failing takes its own time. The
grid doubles (16, 32, 64 ms ...), so that differences of a few milliseconds rarely reach the next mark, and a large
answer has a coarse grid. Promise: nothing leaves between two marks, whether it is an answer or a failure. The grid
begins when the question reached the broker, so reading who asks costs nothing besides. A mark that lay where the times
of one question lie would tell the most: counts and means are ready well before the first one
(`dp.ready_*` in docs/figures.md), and what the worker does for them is the same whichever rows match.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

FIRST_MARK = 0.016  # seconds; counts, means and histograms of a million rows are done by then
LITTLE = 0.005  # several times what asking policy takes
TICK = 0.002  # the loop's own timer rounds to milliseconds, and how it rounds would tell the time after all


class Pace:
    """The time since a question came, at `began`; `mark` waits for the next mark of the grid."""

    def __init__(
        self,
        began: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._began, self._now, self._sleep = began, now, sleep

    async def nearly(self) -> None:
        """Return when little time is left to the next mark: for what shall not be older than that when it leaves."""
        elapsed = self._now() - self._began
        await self._sleep(max(0.0, next_mark(elapsed) - elapsed - LITTLE))

    async def mark(self) -> None:
        """Return at the next mark."""
        target = self._began + next_mark(self._now() - self._began)
        await self._sleep(max(0.0, target - self._now() - TICK))
        while self._now() < target:
            await self._sleep(0)


def next_mark(elapsed: float) -> float:
    """Return the first mark that is not before `elapsed`, in seconds."""
    mark = FIRST_MARK
    while mark < elapsed:
        mark *= 2
    return mark
