"""The last signed checkpoint, remembered in a file apart from the database.

A database that was cut, or replaced by an older copy, agrees with itself; this file tells. It is written durably after
the database, so it is never ahead of it: as soon as no entries come for `QUIET` seconds, and otherwise every `INTERVAL`
seconds. It never goes back to a smaller log, so several processes may keep the same file.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from jupyter_secure.broker.store.durable import write_durably
from jupyter_secure.protocol.checkpoint import Checkpoint, parse_checkpoint, parse_note
from jupyter_secure.protocol.errors import AuditUnavailableError

INTERVAL = 1.0
QUIET = 0.05


class Anchor:
    """The file, or nothing if there is no path (a log in memory)."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._pending: tuple[int, str] | None = None
        self._written = float("-inf")
        self.failed = False  # the last write did; the log then writes nothing more until one succeeds
        self._lock = threading.Lock()

    def read(self) -> Checkpoint | None:
        """Return what is remembered; the signature is not checked here.

        Raises:
            AuditUnavailableError: the file is damaged.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            return parse_checkpoint(parse_note(self._path.read_text()).text)
        except (OSError, ValueError) as error:
            raise AuditUnavailableError(
                "The remembered checkpoint of the audit log is damaged, so no data was opened. "
                "Run `jupyter secure audit verify`.",
                detail=type(error).__name__,
            ) from None

    def offer(self, size: int, note: str) -> None:
        """Keep a checkpoint that the database holds already, to be written when it is due."""
        with self._lock:
            if self._pending is None or self._pending[0] < size:
                self._pending = (size, note)

    def waits(self) -> bool:
        """Say whether something is still to be written."""
        return self._pending is not None

    def due(self) -> bool:
        """Say whether it has waited long enough."""
        return self.waits() and time.monotonic() - self._written >= INTERVAL

    def flush(self) -> None:
        """Write what was offered, unless the file is ahead already.

        Raises:
            AuditUnavailableError: it could not be written; it stays due.
        """
        with self._lock:
            if self._pending is None or self._path is None:
                return
            size, note = self._pending
            held = self.read()
            if held is None or held.size < size:
                try:
                    write_durably(self._path, note.encode())
                except OSError as error:
                    self.failed = True
                    raise AuditUnavailableError(detail=f"checkpoint file: {type(error).__name__}") from None
            self._pending, self.failed = None, False
            self._written = time.monotonic()
