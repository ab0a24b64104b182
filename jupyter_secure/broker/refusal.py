"""What a person is told when the answer is no.

A dataset that does not exist and one that no rule lets the person use give the same sentence, after the same time.
Where a rule names the person and failed on one condition, the condition is told, because it is the person's own rule.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from jupyter_secure.protocol.decision import Decision
from jupyter_secure.protocol.errors import RefusedError

TOLD = 3
EVEN = 0.05  # seconds that a refusal takes, many times what any of its reasons costs; a person does not notice
TICK = 0.002  # the loop's own timer rounds to milliseconds, and how it rounds would tell the time after all


def refusal(dataset: str, decision: Decision | None) -> RefusedError:
    """Return the error for a refused load or question; `decision` is None where there is no such dataset."""
    advice = [] if decision is None else [miss.advice for miss in decision.near_misses if miss.advice]
    told = list(dict.fromkeys(advice))[:TOLD]
    if not told:
        return RefusedError(
            f"Nothing called `{dataset}` is available to you in that form. "
            "`%secure_catalog` lists what is; ask a data steward for more."
        )
    return RefusedError(f"`{dataset}` is not available to you in that form now. {' '.join(told)}")


@contextlib.asynccontextmanager
async def evenly() -> AsyncIterator[None]:
    """Let a refusal inside take `EVEN` seconds, so that its time does not tell what was looked at to reach it."""
    clock = asyncio.get_running_loop().time
    until = clock() + EVEN
    try:
        yield
    except RefusedError:
        await asyncio.sleep(until - clock() - TICK)
        while clock() < until:  # noqa: ASYNC110 - what is waited for sends no event
            await asyncio.sleep(0)
        raise
