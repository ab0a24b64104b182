"""Frames that are lent to a pipe arrive as they were sent, whoever reads them at whatever pace."""

import contextlib
import fcntl
import mmap
import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_secure.broker.views import lending
from jupyter_secure.broker.views.lending import Lending

PAGE = mmap.PAGESIZE
LARGEST = 5 * PAGE + 17


@contextlib.contextmanager
def pipe(size=2 * PAGE):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, size)
    try:
        yield reading, writing
    finally:
        for fd in (reading, writing):
            with contextlib.suppress(OSError):
                os.close(fd)


def sent(way, content):
    room = way.room(len(content))
    room[:] = content
    way.send(room)


def frames(sizes):
    return [bytes([number % 251]) * size for number, size in enumerate(sizes)]


def arriving(reading, steps):
    """Return a list that fills with what arrives, and the thread that reads it in pieces of these sizes."""
    came = []

    def read():
        turn = 0
        while piece := os.read(reading, steps[turn % len(steps)]):
            came.append(piece)
            turn += 1

    thread = threading.Thread(target=read)
    thread.start()
    return came, thread


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(1, LARGEST), min_size=1, max_size=40),
    steps=st.lists(st.integers(1, 3 * PAGE), min_size=1, max_size=5),
    pages=st.sampled_from([1, 2, 8]),
)
def test_frames_of_all_sizes_arrive_as_they_were_sent(sizes, steps, pages):
    steps = [max(step, 64) for step in steps]
    with pipe(pages * PAGE) as (reading, writing):
        came, thread = arriving(reading, steps)
        way = Lending(writing, LARGEST)
        for frame in frames(sizes):
            sent(way, frame)
        os.close(writing)
        thread.join()
        assert b"".join(came) == b"".join(frames(sizes))


def test_what_waits_in_the_pipe_is_never_written_over():
    # The pipe is full all the time: every frame is read only when the next one cannot get in otherwise.
    with pipe(4 * PAGE) as (reading, writing):
        way = Lending(writing, LARGEST)
        os.set_blocking(writing, False)
        waiting, came = [], []
        for frame in frames([PAGE, 1, 3 * PAGE, PAGE + 1, 17] * 40):
            while sum(-(-len(each) // PAGE) for each in [*waiting, frame]) > 4:
                came.append(os.read(reading, len(waiting.pop(0))))
            sent(way, frame)
            waiting.append(frame)
        came += [os.read(reading, len(frame)) for frame in waiting]
    assert came == frames([PAGE, 1, 3 * PAGE, PAGE + 1, 17] * 40)


def test_a_page_is_lent_and_not_copied():
    with pipe() as (reading, writing):
        way = Lending(writing, LARGEST)
        room = way.room(5)
        room[:] = b"first"
        way.send(room)
        room[:] = b"after"  # which nobody does: it shows whose page it is
        assert os.read(reading, 5) == b"after"


def test_pages_live_as_long_as_the_reader_needs_them():
    with pipe() as (reading, writing):
        way = Lending(writing, LARGEST)
        sent(way, b"x" * 2 * PAGE)
        del way
        other = mmap.mmap(-1, 64 * PAGE)
        other.write(b"y" * 64 * PAGE)
        assert os.read(reading, 2 * PAGE) == b"x" * 2 * PAGE


def test_a_pipe_that_nobody_reads_any_more_is_an_error():
    with pipe() as (reading, writing):
        way = Lending(writing, LARGEST)
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            sent(way, b"frame")


def test_a_reader_that_goes_away_in_a_frame_is_an_error():
    with pipe(PAGE) as (reading, writing):
        way = Lending(writing, LARGEST)
        thread = threading.Thread(target=lambda: (os.read(reading, PAGE), os.close(reading)))
        thread.start()
        with pytest.raises(BrokenPipeError):
            sent(way, b"z" * LARGEST)
        thread.join()


def test_into_a_file_frames_are_written(tmp_path):
    with (tmp_path / "frames").open("xb") as file:
        way = Lending(file.fileno(), LARGEST)
        for frame in frames([3, LARGEST, PAGE]):
            sent(way, frame)
    assert (tmp_path / "frames").read_bytes() == b"".join(frames([3, LARGEST, PAGE]))


def test_where_the_call_is_missing_frames_are_written(monkeypatch):
    monkeypatch.setattr(lending, "_libc", object())
    with pipe(8 * PAGE) as (reading, writing):
        way = Lending(writing, LARGEST)
        sent(way, b"one")
        sent(way, b"two")
        assert os.read(reading, 100) == b"onetwo"
