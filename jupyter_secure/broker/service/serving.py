"""What all doors of the service share: the desk behind them, the Hub that proves people, who waits, what is counted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Engine

from jupyter_secure.broker.authn.hub import Hub
from jupyter_secure.broker.store.database import transaction
from jupyter_secure.protocol.grant import GuardLevel

from .desk import Desk
from .listeners import Listeners
from .meters import Meters

PATIENCE = 3.0  # seconds
READY_FOR = 1.0  # seconds that an answer about readiness counts, so that asking costs nothing


class Serving:
    """One desk that many relays ask.

    Attributes:
        stopping: no new request is taken.
        heard: when the last request was let in or turned away, by the monotonic clock.
    """

    def __init__(self, desk: Desk, hub: Hub, listeners: Listeners) -> None:
        self.desk = desk
        self.hub = hub
        self.listeners = listeners
        self.meters = Meters()
        self.stopping = False
        self.heard = time.monotonic()
        self._arriving = 0
        self._under_way: Counter[str] = Counter()
        self._ready: tuple[float, dict[str, bool]] = (0.0, {})
        self._looking = asyncio.Lock()

    @property
    def declared(self) -> GuardLevel:
        """The guard level that counts at most."""
        return self.desk.identify.declared

    @property
    def under_way(self) -> int:
        """How many requests are."""
        return self._under_way.total()

    def quiet(self, since: float) -> float:
        """Return for how many seconds no request came; at most those since the moment `since`."""
        return 0.0 if self._arriving else time.monotonic() - max(self.heard, since)

    @contextlib.contextmanager
    def arriving(self) -> Iterator[None]:
        """Count a request that is neither let in nor turned away yet."""
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1
            self.heard = time.monotonic()

    @contextlib.contextmanager
    def place(self, user: str, most: int) -> Iterator[bool]:
        """Give a place among the person's requests under way, or say that there is none."""
        if self._under_way[user] >= most:
            yield False
            return
        self._under_way[user] += 1
        try:
            yield True
        finally:
            self._under_way[user] -= 1
            if not self._under_way[user]:
                del self._under_way[user]

    async def readiness(self) -> dict[str, bool]:
        """Return what must hold to serve, each with whether it does."""
        async with self._looking:  # however many ask, one looks
            until, known = self._ready
            if until < time.monotonic():
                known = {"vault": not self.desk.vault.locked, "database": await _writable(self.desk.vault.engine)}
                self._ready = (time.monotonic() + READY_FOR, known)
        return {**known, "serving": not self.stopping}

    def measure(self) -> None:
        """Bring the gauges up to date."""
        alive, idle = self.desk.pool.workers
        self.meters.workers.labels("idle").set(idle)
        self.meters.workers.labels("busy").set(max(0, alive - idle))
        self.meters.under_way.set(self.under_way)
        self.meters.listeners.set(self.listeners.count)
        self.meters.unlocked.set(not self.desk.vault.locked)
        self.meters.log_size.set(self.desk.vault.audit.head().size)


async def _writable(engine: Engine) -> bool:
    """Say whether the database takes a write now."""

    def attempt() -> None:
        with transaction(engine):
            pass

    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(attempt)
    except Exception:  # noqa: BLE001 - whatever the reason, it does not
        return False
    return True
