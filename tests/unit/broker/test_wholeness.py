"""A file that was looked through counts as whole until somebody touches it, or for a while."""

import os

import pytest

from jupyter_secure.broker import wholeness
from jupyter_secure.broker.wholeness import TRUSTED, Wholeness


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "view"
    path.write_bytes(b"frames" * 100)
    os.utime(path, (1, 1))
    fd = os.open(path, os.O_RDONLY)
    yield path, fd
    os.close(fd)


def test_nothing_is_whole_before_it_was_looked_through(file, clock):
    _, fd = file
    seen = Wholeness(clock)
    assert not seen.holds("view", fd)
    seen.touch("view", fd, whole=True)
    assert seen.holds("view", fd)
    assert not seen.holds("other", fd)


def test_use_is_noted_and_does_not_prolong_it(file, clock):
    path, fd = file
    seen = Wholeness(clock)
    seen.touch("view", fd, whole=True)
    clock.now += TRUSTED - 1
    seen.touch("view", fd, whole=False)
    assert path.stat().st_mtime > 1
    assert seen.holds("view", fd)
    clock.now += 1
    assert not seen.holds("view", fd)


def test_a_use_alone_makes_nothing_whole(file, clock):
    seen = Wholeness(clock)
    seen.touch("view", file[1], whole=False)
    assert not seen.holds("view", file[1])


def overwrite(path):
    with path.open("r+b") as opened:
        opened.write(b"F")


def overwrite_and_set_the_time_back(path):
    before = path.stat()
    overwrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [overwrite, overwrite_and_set_the_time_back, lambda path: os.truncate(path, 7)])
def test_whoever_writes_to_it_makes_it_unknown(file, clock, change):
    path, fd = file
    seen = Wholeness(clock)
    seen.touch("view", fd, whole=True)
    known = os.fstat(fd).st_ctime_ns
    while os.fstat(fd).st_ctime_ns == known:  # the file system's clock ticks every few milliseconds
        change(path)
    assert not seen.holds("view", fd)


def test_a_file_that_was_changed_between_asking_and_using_is_not_trusted(file, clock):
    path, fd = file
    seen = Wholeness(clock)
    seen.touch("view", fd, whole=True)
    assert seen.holds("view", fd)
    known = os.fstat(fd).st_ctime_ns
    while os.fstat(fd).st_ctime_ns == known:
        overwrite(path)
    seen.touch("view", fd, whole=False)
    assert not seen.holds("view", fd)


def test_another_file_of_that_name_is_unknown(file, clock, tmp_path):
    path, fd = file
    seen = Wholeness(clock)
    seen.touch("view", fd, whole=True)
    (tmp_path / "other").write_bytes(path.read_bytes())
    (tmp_path / "other").replace(path)
    again = os.open(path, os.O_RDONLY)
    try:
        assert not seen.holds("view", again)
    finally:
        os.close(again)


def test_it_can_be_forgotten_and_the_oldest_is(file, clock, monkeypatch):
    _, fd = file
    seen = Wholeness(clock)
    seen.touch("view", fd, whole=True)
    seen.forget("view")
    seen.forget("view")
    assert not seen.holds("view", fd)
    monkeypatch.setattr(wholeness, "MOST", 2)
    for name in ("a", "b", "c"):
        seen.touch(name, fd, whole=True)
    assert not seen.holds("a", fd)
    assert seen.holds("c", fd)
