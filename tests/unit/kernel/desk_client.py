"""The kernel's side of the channel over a whole broker, for code that waits for answers as a notebook does."""

import asyncio
import threading

from jupyter_secure.kernel.dp import DpFrame
from jupyter_secure.protocol.messages import Load
from jupyter_secure.protocol.view import Rung


class DeskClient:
    """What the kernel zone needs of its client; the desk runs in a thread of its own."""

    def __init__(self, world, person):
        self.world = world
        self._tables = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._desk = world.desk()
        front = self._wait(self._desk.__aenter__())
        self._kernel = self._wait(front.kernel(person))

    def _wait(self, work, timeout=120):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def request(self, message, progress=None, *, timeout=120):
        reply, table = self._wait(self._kernel.fetch(message), timeout)
        if table is None:
            return reply, None
        self._tables[len(self._tables)] = table
        return reply, len(self._tables) - 1

    def open(self, reply, fd):
        return self._tables[fd]

    def handle(self, dataset):
        """Return a private handle."""
        return DpFrame(self.request(Load(dataset=dataset, rung=Rung.DP))[0], self)

    def close(self):
        """End the desk and verify log and ledger."""
        self._wait(self._desk.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.world.verify()
        self.world.vault.close()
