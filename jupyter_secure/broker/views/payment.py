"""How a worker hears that a question is paid: one byte on a descriptor that came with it.

Promise: whatever else happens there, or nothing at all, counts as no.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from jupyter_secure.protocol.errors import CancelledError

PAID = b"\1"
Paid = Callable[[], None]


def word(fd: int | None) -> Paid:
    """Return what waits for the word on a descriptor, and raises `CancelledError` where none comes."""

    def paid() -> None:
        if fd is None or os.read(fd, 1) != PAID:
            raise CancelledError(detail="the question was not paid")

    return paid
