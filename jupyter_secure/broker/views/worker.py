"""The worker process: `python -I -m jupyter_secure.broker.views.worker FD [BYTES]`.

It takes one job at a time from its private socket and does it. Promises: it cannot be attached to or dumped, dies with
its parent, inherits no descriptor but its socket, has an empty environment and bounded memory; what it says about a
failure is a code of a closed list and the name of a class, never a text, because a text may hold a value.

Steps: walls first, heavy imports after them -> Ready -> for each job: do it, say Finished or Failed.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_secure.protocol.wire import Codec

    from .jobs import Begun, Handler, Job, WorkerReply

# By default polars decodes as many row groups at once as it can, so the first rows come when nearly all are decoded,
# and memory grows with the file. Two keep two cores busy and memory flat. Both cores decode columns of the first one,
# so that there is something to mask before two are ready.
ROW_GROUPS_AHEAD = {
    "POLARS_ROW_GROUP_PREFETCH_SIZE": "2",
    "POLARS_PARQUET_DECODE_TARGET_VALUES_PER_THREAD": "400000",
}
# polars' allocator gives freed memory back after half a second, and large pieces at once, so that every view faults it
# in again, page by page: a tenth of the work. What a worker holds is bounded by its largest view, as before. What one
# thread gave back another takes (one arena): each would hold its own otherwise, a tenth of the worker's memory.
MEMORY_HELD = {"_RJEM_MALLOC_CONF": "narenas:1,dirty_decay_ms:10000,oversize_threshold:0"}
# The same for what numpy and Python free: option of `mallopt` and bytes. Where there is no such call, it is as it was.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
HEAP_HELD = {M_TRIM_THRESHOLD: 64 << 20, M_MMAP_THRESHOLD: 32 << 20}
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38


def main(arguments: list[str]) -> None:
    """Serve jobs until the far side of the socket closes."""
    fd = int(arguments[0])
    raise_walls(int(arguments[1]) if len(arguments) > 1 else 0)
    os.environ.update(ROW_GROUPS_AHEAD | MEMORY_HELD)
    hold_heap()
    Worker(socket.socket(fileno=fd)).serve()


def raise_walls(memory: int) -> None:
    """Confine this process; `memory` is the most address space in bytes, 0 for no limit.

    Raises:
        OSError: the kernel refused, so the process must not go on.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_DUMPABLE, 0), (PR_SET_PDEATHSIG, signal.SIGKILL), (PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() == 1:  # the parent died before PDEATHSIG was set
        raise SystemExit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the broker's to handle
    os.umask(0o077)


def hold_heap() -> None:
    """Keep freed memory for the next batch."""
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, size in HEAP_HELD.items():
            mallopt(option, size)


class Worker:
    """The loop of the process."""

    def __init__(self, sock: socket.socket) -> None:
        from jupyter_secure.protocol.wire import Codec

        from .jobs import Job, load_handlers

        self._sock = sock
        self._codec: Codec[Job, WorkerReply] = Codec(Job)  # type: ignore[arg-type]  # a union is no `type`
        self._handlers = load_handlers()

    def serve(self) -> None:
        """Do jobs until the socket closes."""
        from jupyter_secure.protocol.wire import receive_datagram

        from .jobs import Ready

        warm_up()
        self._say(Ready())
        while True:
            data, fds = receive_datagram(self._sock)
            if not data:
                return
            job, fds = self._codec.unpack(data, fds, 1)
            del data
            self._say(self._do(job, fds[0] if fds else None))
            del job

    def _do(self, job: Job, out: int | None) -> WorkerReply:
        from .failure import failed

        handler: Handler = self._handlers[type(job)]
        try:
            return handler(job, out, self._report)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever it was, only its class may leave
            return failed(error)
        finally:
            if out is not None:
                os.close(out)

    def _report(self, what: int | Begun) -> None:
        from .jobs import Working

        self._say(Working(rows=what) if isinstance(what, int) else what)

    def _say(self, reply: WorkerReply) -> None:
        data, fds = self._codec.pack(reply)
        try:
            socket.send_fds(self._sock, [data], fds)
        finally:
            for fd in fds:
                os.close(fd)


def warm_up() -> None:
    """Touch everything that is slow the first time."""
    import polars as pl

    with contextlib.suppress(pl.exceptions.PolarsError):
        frame = pl.LazyFrame({"a": ["x", None], "b": [1, 2]}).filter(pl.col("b") > 0)
        for batch in frame.collect_batches(chunk_size=8, maintain_order=True):
            batch.to_arrow(compat_level=pl.CompatLevel.oldest())
    gc.freeze()  # what was imported stays, and looking through it for garbage takes a tenth of a second


if __name__ == "__main__":
    main(sys.argv[1:])
