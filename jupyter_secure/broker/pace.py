"""When an answer may leave: on a fixed grid of times after it was asked for, so that how long it took tells little.

A filter that matches thousands of rows takes longer than one that matches none, and failing takes its own time. The
grid doubles (24, 48, 96 ms ...), so that differences of a few milliseconds rarely reach the next mark, and a large
answer has a coarse grid. Promise: nothing leaves between two marks, whether it is an answer or a failure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

FIRST_MARK = 0.024  # seconds; most small questions are done by then


class Pace:
    """The time since a question came; `mark` waits for the next mark of the grid."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._now, self._sleep = now, sleep
        self._began = now()

    async def mark(self) -> None:
        """Return at the next mark."""
        # A timer may fire early by its resolution; between two marks nothing may leave.
        target = next_mark(self._now() - self._began)
        while (left := target - (self._now() - self._began)) > 0:
            await self._sleep(left)


def next_mark(elapsed: float) -> float:
    """Return the first mark that is not before `elapsed`, in seconds."""
    mark = FIRST_MARK
    while mark < elapsed:
        mark *= 2
    return mark
