"""The ping that makes the panel ask again. It holds nothing, because everybody on the event bus hears it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from jupyter_events import EventLogger

SCHEMA = Path(__file__).parent / "events" / "changed.yaml"
SCHEMA_ID = "https://events.jupyter.org/jupyter_secure/changed"
QUIET = 0.15  # seconds: a load writes several entries, one ping tells of all


class ChangedEvent:
    """Emits at most one ping in `QUIET` seconds, and always one after the last change."""

    def __init__(self, logger: EventLogger) -> None:
        self._logger = logger
        self._timer: asyncio.TimerHandle | None = None
        logger.register_event_schema(SCHEMA)

    def ping(self) -> None:
        """Say that something has changed; without an event loop there is nobody to hear it."""
        if self._timer is None:
            with contextlib.suppress(RuntimeError):
                self._timer = asyncio.get_running_loop().call_later(QUIET, self._emit)

    def _emit(self) -> None:
        self._timer = None
        self._logger.emit(schema_id=SCHEMA_ID, data={})
