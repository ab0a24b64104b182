"""Waiting for what sends no event, for as long as a busy computer may need."""

import asyncio

PATIENCE = 60  # seconds; who waits as long has failed


async def until(holds):
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for sends no event
            await asyncio.sleep(0.01)


async def queued(lock, number=1):
    """Wait until so many wait for a lock."""
    await until(lambda: len(lock._waiters or ()) >= number)
