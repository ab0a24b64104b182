"""Pages that a worker lent to a kernel hold nothing but ciphertext of that kernel's stream, however long it keeps them.

The kernel duplicates what is in its pipe with tee(2), by which it holds the worker's own pages, lets the worker finish
and make another view for somebody else, and then looks at what the pages hold. Effect size: the whole pipe, a mebibyte.
"""

import asyncio
import ctypes
import fcntl
import os
import termios
import time

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from jupyter_secure.broker.views.pool import WorkerPool
from jupyter_secure.broker.views.stream import PIPE
from jupyter_secure.kernel.opener import KernelKey
from jupyter_secure.protocol.treatment import Keep, Pseudonym
from tests.views_vault import plan

ROWS = 200_000
CANARY = 0x5EC2E7CAFE4D1A77


def table():
    number = np.random.default_rng(3).integers(0, 1 << 40, ROWS)
    number[::3] = CANARY
    return pa.table({"number": number, "word": pa.array([f"a word {row % 999}" for row in range(ROWS)])})


def wait_until_filled(reading):
    end = time.monotonic() + 60
    while waiting(reading) <= PIPE // 2:
        assert time.monotonic() < end, "the worker does not fill the pipe"
        time.sleep(0.01)


def waiting(reading):
    return int.from_bytes(fcntl.ioctl(reading, termios.FIONREAD, bytes(4)), "little")


def held(reading):
    """Return a pipe that holds the pages which are in the kernel's pipe now."""
    ours, ends = os.pipe()
    fcntl.fcntl(ends, fcntl.F_SETPIPE_SZ, PIPE)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.tee(reading, ends, PIPE, 0) > PIPE // 2
    os.close(ends)
    return ours


def everything(fd):
    whole = bytearray()
    while piece := os.read(fd, 1 << 20):
        whole += piece
    os.close(fd)
    return bytes(whole)


def windows(content):
    """Return every eight bytes that follow each other in it, as numbers."""
    return np.ndarray(len(content) - 7, np.uint64, content, strides=(1,))


def shared(content, other):
    """Return how much of the content's windows is somewhere in the other."""
    within = np.sort(windows(other))
    seen = windows(content)
    at = np.minimum(np.searchsorted(within, seen), len(within) - 1)
    return np.mean(within[at] == seen)


async def test_what_a_kernel_keeps_hold_of_never_becomes_somebody_else_s(tmp_path):
    hidden = {"number": Keep(), "word": Pseudonym(domain="word")}
    first = plan(tmp_path, table(), hidden, KernelKey().public_bytes)
    second = replace(first, recipient=KernelKey().public_bytes)
    pool = WorkerPool(1)
    await pool.start()
    try:
        stream = await pool.open(first)
        await asyncio.to_thread(wait_until_filled, stream.fd)
        kept = held(stream.fd)
        own = await asyncio.to_thread(everything, os.dup(stream.fd))
        await stream.finished()
        stream = await pool.open(second)
        other = await asyncio.to_thread(everything, os.dup(stream.fd))
        await stream.finished()
    finally:
        await pool.close()
    content = everything(kept)
    assert len(content) > PIPE // 2
    assert CANARY.to_bytes(8, "little") not in content
    assert shared(content, own) > 0.9
    assert shared(content, other) < 1e-4  # headers of frames are alike
