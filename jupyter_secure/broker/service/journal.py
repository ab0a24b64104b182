"""The service's own log: one JSON object a line on standard error, for the operator.

Promises: no person, token, notebook or address is in it. Our own lines hold closed words and numbers; of a foreign
library's line only the pattern is kept, because its arguments may be anything.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

OURS = "jupyter_secure"


class Lines(logging.Formatter):
    """A record as JSON. `extra={"told": {...}}` adds fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        ours = record.name.split(".")[0] == OURS
        told: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage() if ours else str(record.msg),
            **getattr(record, "told", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            told["error"] = record.exc_info[0].__name__
            if ours:
                told["trace"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=True)


def begin() -> None:
    """Log like this from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("tornado.access").disabled = True  # it names paths and addresses
