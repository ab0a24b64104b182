"""Sealing and opening, without a worker."""

import os
import struct

import pyarrow as pa
import pytest

from jupyter_secure.broker.views.delivery import Sealer
from jupyter_secure.kernel.opener import KernelKey, open_view
from jupyter_secure.protocol.errors import IntegrityError, InvalidRequestError, RefusedError
from jupyter_secure.protocol.sealing import HEADER, TAG, bind
from jupyter_secure.protocol.wire import seal_memory
from jupyter_secure.testing.sealed_data import seal_table

INFO = b'{"grant":"g"}'
TABLE = pa.table({"number": list(range(100_000)), "word": pa.array(["a word"] * 100_000, pa.large_string())})


def sealed(key, table=TABLE, rows=None, step=30_000):
    """Return the frames of a table, one by one, and the seal."""
    frames = []
    sealer = Sealer(key.public_bytes, INFO, lambda view: frames.append(bytes(view)))
    with pa.ipc.new_stream(pa.PythonFile(sealer, "w"), table.schema) as writer:
        writer.write_table(table, max_chunksize=step)
    sealer.finish(table.num_rows if rows is None else rows)
    return frames, sealer.seal


def opened(frames, seal, key, info=INFO, **options):
    fd = seal_memory("view", b"".join(frames))
    try:
        return open_view(fd, seal, info, key, **options)
    finally:
        os.close(fd)


@pytest.fixture
def key():
    return KernelKey()


def test_what_was_sealed_is_what_is_opened(key):
    assert opened(*sealed(key), key).equals(TABLE)


def test_a_small_table_goes_into_a_sealed_memory_file(key):
    fd, seal = seal_table(TABLE, key.public_bytes, INFO)
    assert open_view(fd, seal, INFO.decode(), key).equals(TABLE)
    os.close(fd)


def test_an_empty_table_keeps_its_schema(key):
    assert opened(*sealed(key, TABLE.slice(0, 0)), key).schema == TABLE.schema


def test_a_seal_that_is_no_base64_is_refused(key):
    with pytest.raises(IntegrityError):
        opened(sealed(key)[0], "not base64!", key)


def test_rows_that_differ_from_the_last_frame_are_detected(key):
    frames, seal = sealed(key, rows=7)
    with pytest.raises(IntegrityError):
        opened(frames, seal, key)


def test_a_longer_stream_than_permitted_is_refused(key):
    frames, seal = sealed(key)
    with pytest.raises(IntegrityError):
        opened(frames, seal, key, limit=10_000)


def test_a_memory_file_that_can_still_change_is_refused(key):
    frames, seal = sealed(key)
    fd = os.memfd_create("view", os.MFD_ALLOW_SEALING)
    os.write(fd, b"".join(frames))
    with pytest.raises(IntegrityError):
        open_view(fd, seal, INFO, key)
    os.close(fd)


def test_a_stream_that_broke_off_says_why_and_shows_nothing(key):
    frames = []
    sealer = Sealer(key.public_bytes, INFO, lambda view: frames.append(bytes(view)))
    with pa.ipc.new_stream(pa.PythonFile(sealer, "w"), TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=30_000)
        sealer.fail("refused")
    with pytest.raises(RefusedError):
        opened(frames[:-1] if frames[-1][0] == 0 else frames, sealer.seal, key)


def test_a_public_key_of_another_kind_is_refused():
    for bad in (b"", b"short", bytes(32)):
        with pytest.raises(InvalidRequestError):
            Sealer(bad, INFO, lambda _: None)


def test_no_frame_holds_any_of_the_content(key):
    frames, seal = sealed(key)
    whole = b"".join(frames)
    assert b"a word" not in whole
    assert struct.pack("<q", 4321) * 1 + struct.pack("<q", 4322) not in whole
    assert sum(len(frame) - HEADER.size - TAG for frame in frames) > TABLE.nbytes
    assert seal


def test_the_digest_names_one_stream(key):
    sealers = [Sealer(key.public_bytes, INFO, lambda _: None) for _ in range(3)]
    for sealer in sealers:
        sealer.write(b"the same")
    assert len({sealer.finish(1) for sealer in sealers}) == 3


def test_info_is_canonical():
    assert bind("g1", "r1", "d1") == '{"decision":"d1","grant":"g1","request":"r1"}'
