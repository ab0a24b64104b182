"""Whoever carries a view can neither read it nor change it unnoticed."""

import os

import pyarrow as pa
import pytest

from jupyter_secure.broker.views.delivery import Sealer
from jupyter_secure.kernel.opener import KernelKey, open_view
from jupyter_secure.protocol.errors import IntegrityError
from jupyter_secure.protocol.wire import seal_memory

INFO = b'{"grant":"g"}'
TABLE = pa.table({"number": list(range(100_000)), "word": pa.array(["a word"] * 100_000, pa.large_string())})


def sealed(key, table=TABLE, step=30_000):
    """Return the frames of a table, one by one, and the seal."""
    frames = []
    sealer = Sealer(key.public_bytes, INFO, lambda view: frames.append(bytes(view)))
    with pa.ipc.new_stream(pa.PythonFile(sealer, "w"), table.schema) as writer:
        writer.write_table(table, max_chunksize=step)
    sealer.finish(table.num_rows)
    return frames, sealer.seal


def opened(frames, seal, key, info=INFO):
    fd = seal_memory("view", b"".join(frames))
    try:
        return open_view(fd, seal, info, key)
    finally:
        os.close(fd)


@pytest.fixture
def key():
    return KernelKey()


def test_a_changed_stream_is_refused(key):
    frames, seal = sealed(key, TABLE.slice(0, 50))
    whole = b"".join(frames)
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        with pytest.raises(IntegrityError):
            opened([bytes(changed)], seal, key)


def test_a_cut_stream_is_refused(key):
    frames, seal = sealed(key)
    for kept in range(len(frames)):
        with pytest.raises(IntegrityError):
            opened(frames[:kept], seal, key)
    with pytest.raises(IntegrityError):
        opened([*frames[:-1], frames[-1][:-1]], seal, key)


def test_frames_cannot_be_moved_repeated_left_out_or_added(key):
    frames, seal = sealed(key)
    assert len(frames) > 5
    swapped = [frames[1], frames[0], *frames[2:]]
    repeated = [frames[0], *frames]
    left_out = [*frames[:2], *frames[3:]]
    added = [*frames, frames[-1]]
    for changed in (swapped, repeated, left_out, added):
        with pytest.raises(IntegrityError):
            opened(changed, seal, key)


def test_a_data_frame_cannot_pass_as_the_last_one(key):
    frames, seal = sealed(key)
    marked = [*frames[:-2], bytes([1]) + frames[-2][1:], frames[-1]]
    with pytest.raises(IntegrityError):
        opened(marked, seal, key)


def test_frames_of_another_stream_to_the_same_kernel_are_refused(key):
    frames, seal = sealed(key)
    others, _ = sealed(key)
    with pytest.raises(IntegrityError):
        opened([frames[0], *others[1:]], seal, key)


def test_a_view_opens_for_its_kernel_alone(key):
    frames, seal = sealed(key)
    with pytest.raises(IntegrityError):
        opened(frames, seal, KernelKey())


def test_another_request_cannot_pass_it_off_as_its_own(key):
    frames, seal = sealed(key)
    with pytest.raises(IntegrityError):
        opened(frames, seal, key, info=b'{"grant":"h"}')
