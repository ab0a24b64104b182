"""Relays that want to hear when panels should look again, each for one person.

Promises: a person's change is told to that person's relays alone; changes that come quickly are told as one; a relay
that does not read holds nothing up, because what it has not been told yet is one flag.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator

from jupyter_secure.protocol.errors import InvalidRequestError

AT_ONCE = 8  # relays of one person
QUIET = 0.15  # seconds


class Listener:
    """One relay."""

    def __init__(self) -> None:
        self._something = asyncio.Event()

    def tell(self) -> None:
        """Remember that something changed."""
        self._something.set()

    async def wait(self, seconds: float) -> bool:
        """Return whether something changes within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._something.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(QUIET)
        self._something.clear()
        return True


class Listeners:
    """All of them."""

    def __init__(self) -> None:
        self._of: defaultdict[str, set[Listener]] = defaultdict(set)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self._of.values()))

    @contextlib.contextmanager
    def listening(self, user: str) -> Iterator[Listener]:
        """Listen for a person.

        Raises:
            InvalidRequestError: too many do already.
        """
        mine = self._of[user]
        if len(mine) >= AT_ONCE:
            raise InvalidRequestError("Too many servers listen for you already. Stop some of them.")
        listener = Listener()
        mine.add(listener)
        try:
            yield listener
        finally:
            mine.discard(listener)
            if not mine and self._of.get(user) is mine:
                del self._of[user]

    async def changed(self, notebook: str | None, user: str | None = None) -> None:
        """Tell the person's relays, or everybody's."""
        del notebook  # a relay's panels look again at whatever they show
        of = self._of.values() if user is None else [self._of.get(user, set())]
        for listeners in of:
            for listener in listeners:
                listener.tell()
