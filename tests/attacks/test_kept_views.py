"""Kept views: found after the same decision alone, strangers as soon as anything changes, of no use when damaged."""

import asyncio
import io
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from jupyter_secure.broker import cache
from jupyter_secure.broker.deletion import delete_person
from jupyter_secure.broker.keeping import rotate_keys, shred
from jupyter_secure.broker.pouring import Kept, KeptStream
from jupyter_secure.broker.views.kept import Description
from jupyter_secure.cli import main as command
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import CancelledError, InvalidRequestError, RefusedError
from jupyter_secure.protocol.messages import Load
from jupyter_secure.protocol.record import Kind
from jupyter_secure.protocol.view import Rung
from jupyter_secure.testing.world import World

POLICY = """
[dataset.visits]
tags = { person = "direct", zip = "quasi", cost = "measure" }
privacy_unit = "person"
%s

[purpose.study]
[purpose.other]

[[rule]]
id = "masked"
to = ["role:engineer"]
datasets = ["visits"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize", measure = "keep" }

[[rule]]
id = "raw"
to = ["role:steward"]
datasets = ["visits"]
view = "raw"
"""
CONSENT = '[dataset.visits.consent]\nlist = "objections"\nkind = "opt-out"\n'
TAGS = {"person": Tag.DIRECT, "zip": Tag.QUASI, "cost": Tag.MEASURE}
ROWS = 3000


def visits(first=0):
    numbers = np.arange(first, first + ROWS)
    return pa.table({"person": numbers, "zip": [f"{number:05}" for number in numbers], "cost": numbers * 0.5})


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "LEAST", 1000)
    with World(tmp_path) as world:
        world.person("eng", "engineer")
        world.person("eve", "engineer")
        world.person("sue", "steward")
        world.seal(visits(), "visits", TAGS)
        world.apply(POLICY % "")
        yield world
        world.verify()


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


async def load(front, name="eng", **wish):
    kernel = await front.kernel(name)
    _, table = await kernel.fetch(Load(dataset="visits", **wish))
    return table


def until(condition):
    """Wait, in a thread, until something is so."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


async def kept(world, number=1):
    """Wait until so many views are kept."""
    await asyncio.to_thread(until, lambda: len(cache.entries(world.vault.folder.views)) >= number)
    return [path for path, _ in cache.entries(world.vault.folder.views)]


@pytest.fixture
def made(monkeypatch):
    """How many views workers made for kernels."""
    from jupyter_secure.broker.views.pool import WorkerPool

    counted = []
    before = WorkerPool.open
    monkeypatch.setattr(WorkerPool, "open", lambda pool, plan, *rest: counted.append(plan) or before(pool, plan, *rest))
    return counted


async def test_the_second_load_is_not_made_again_and_logged_like_the_first(world, made):
    async with world.desk() as front:
        first = await load(front)
        await kept(world)
        second = await load(front)
        of_another = await load(front, "eve")
    assert first.equals(second)
    assert first.equals(of_another)
    assert len(made) == 1
    decided = world.vault.audit.entries(kinds=(Kind.LOAD_DECIDED,))
    done = world.vault.audit.entries(kinds=(Kind.LOAD_DELIVERED,))
    assert [entry.personal.user for entry in decided] == ["eve", "eng", "eng"]
    assert {entry.header.rows for entry in done} == {ROWS}
    assert len({entry.header.view for entry in done}) == 3  # the digest names the sealed stream, of each kernel another
    assert {(entry.header.dataset, entry.header.version, entry.header.decision) for entry in done} == {
        ("visits", 1, decided[0].header.decision)
    }


async def test_whatever_makes_another_view_makes_another_entry(world, made):
    async with world.desk() as front:
        for number, wish in enumerate(({}, {"columns": ("zip",)}, {"purpose": "study"}, {"purpose": "other"}), 1):
            await load(front, **wish)
            await kept(world, number)
        assert len({str(path) for path in await kept(world, 4)}) == 4
        tokens = [(await load(front, purpose=name))["person"][0].as_py() for name in ("study", "other")]
    assert len(made) == 4
    assert tokens[0] != tokens[1]


@pytest.mark.parametrize("change", ["policy", "version", "consent", "keys", "program"])
async def test_a_change_counts_from_the_next_request_on(world, made, change, monkeypatch):
    if change == "consent":
        world.seal(pa.table({"person": pa.array([0], pa.int64())}), "objections", {"person": Tag.DIRECT})
        world.apply(POLICY % CONSENT)
    async with world.desk() as front:
        before = await load(front)
        await kept(world)
        if change == "policy":
            world.apply((POLICY % "").replace('quasi = "generalize"', 'quasi = "suppress"'))
        elif change == "version":
            world.seal(visits(ROWS), "visits", TAGS)
        elif change == "consent":
            world.seal(pa.table({"person": pa.array([0, 1, 2], pa.int64())}), "objections", {"person": Tag.DIRECT})
        elif change == "program":
            monkeypatch.setattr(cache, "__version__", "99")
        else:
            rotate_keys(front.desk.vault, "visits")
            assert not cache.entries(world.vault.folder.views)
        after = await load(front)
    assert len(made) == 2
    assert after.equals(before) == (change in {"keys", "program"})
    if change == "consent":
        assert (len(before), len(after)) == (ROWS - 1, ROWS - 3)


async def test_a_right_that_was_taken_away_finds_nothing(world, made):
    async with world.desk() as front:
        await load(front)
        await kept(world)
        world.accounts.set_roles("eve", ())
        with pytest.raises(RefusedError):
            await load(front, "eve")
    assert len(made) == 1


async def test_nothing_is_left_of_a_destroyed_dataset_or_a_deleted_person(world):
    async with world.desk() as front:
        await load(front)
        await kept(world)
        delete_person(front.desk.vault, "visits", "person", "7")
        assert not cache.entries(world.vault.folder.views)
        assert len(await load(front)) == ROWS - 1
        await kept(world)
        shred(front.desk.vault, "visits")
        assert not cache.entries(world.vault.folder.views)
        with pytest.raises(RefusedError):
            await load(front)


def _flip(path, place):
    with path.open("r+b") as file:
        file.seek(place, os.SEEK_END if place < 0 else os.SEEK_SET)
        [byte] = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


DAMAGE = {
    "frame": lambda path: _flip(path, 100),
    "tag": lambda path: _flip(path, 8),
    "description": lambda path: _flip(path, -40),
    "length": lambda path: _flip(path, -12),
    "cut": lambda path: os.truncate(path, path.stat().st_size - 1),
    "cut to nothing": lambda path: os.truncate(path, 0),
    "appended": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "another": lambda path: path.write_bytes(b"x" * 1000),
}


@pytest.mark.parametrize("seen", [False, True], ids=["never looked through", "looked through before"])
@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_view_is_dropped_recorded_and_made_again(world, made, damage, seen):
    async with world.desk() as front:
        first = await load(front)
        [path] = await kept(world)
        if seen:
            assert (await load(front)).equals(first)
        DAMAGE[damage](path)
        again = await load(front)
    assert again.equals(first)
    assert len(made) == 2
    [dropped] = world.vault.audit.entries(kinds=(Kind.VIEW_DROPPED,))
    assert (dropped.header.dataset, dropped.header.error) == ("visits", "integrity")


async def test_a_view_that_a_kernel_gave_up_is_looked_through_the_next_time(tmp_path):
    file = tmp_path / "view"
    file.write_bytes(bytes(4 << 20))
    doubted = []
    described = Description(content_key=bytes(32), mac_key=bytes(32), mac=b"", rows=1, size=1, tags=b"")
    kept = Kept(os.open(file, os.O_RDONLY), 4 << 20, described, lambda: doubted.append(1))
    stream = KeptStream(kept, bytes(range(1, 33)), b"info")
    await asyncio.to_thread(os.read, stream.fd, 100)
    stream.handed_over()  # the last one who could read it
    with pytest.raises(CancelledError):
        await stream.finished()
    assert doubted == [1]


async def test_one_kept_view_in_the_place_of_another_opens_for_nobody(world, made):
    async with world.desk() as front:
        await load(front, purpose="study")
        [study] = await kept(world)
        await load(front, purpose="other")
        [other] = set(await kept(world, 2)) - {study}
        other.write_bytes(study.read_bytes())
        right = (await load(front, purpose="other"))["person"][0]
        assert right != (await load(front, purpose="study"))["person"][0]
    assert len(made) == 3


@pytest.mark.parametrize("how", ["at once", "under way", "no key"])
async def test_nothing_stays_open_when_a_kept_view_is_not_taken(world, how):
    async with world.desk() as front:
        await load(front)
        [path] = await kept(world)
        before = descriptors()
        fd = os.open(path, os.O_RDONLY)
        key = b"no key" if how == "no key" else bytes(range(1, 33))
        described = Description(content_key=bytes(32), mac_key=bytes(32), mac=b"", rows=1, size=1, tags=b"")
        try:
            stream = KeptStream(Kept(fd, path.stat().st_size, described), key, b"info")
        except InvalidRequestError:
            assert how == "no key"
        else:
            if how == "under way":
                await asyncio.sleep(0)
            await stream.cancel()
            await asyncio.sleep(0)
        assert descriptors() == before


async def test_no_value_and_no_key_is_in_the_file(world):
    async with world.desk() as front:
        table = await load(front)
        [path] = await kept(world)
        content = path.read_bytes()
    token = bytes.fromhex(table["person"][17].as_py())
    assert token not in content
    assert np.array([8.5, 9.0, 9.5]).tobytes() not in content
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_raw_and_small_views_are_not_kept(world, monkeypatch):
    async with world.desk() as front:
        await load(front, "sue", rung=Rung.RAW)
        monkeypatch.setattr(cache, "LEAST", ROWS + 1)
        await load(front)
        monkeypatch.setattr(cache, "LEAST", 1)
        await load(front)
        await kept(world)  # the third one alone
    assert len(cache.entries(world.vault.folder.views)) == 1


async def test_the_one_not_used_for_longest_makes_room(world):
    async with world.desk() as front:
        await load(front)
        [first] = await kept(world)
        size = first.stat().st_size
        cache.restrict(world.vault, int(2.5 * size))
        os.utime(first, (1, 1))
        await load(front, purpose="study")
        second = next(path for path in await kept(world, 2) if path != first)
        os.utime(second, (2, 2))
        await load(front)  # used again: now the second is the oldest
        await load(front, purpose="other")
        await asyncio.to_thread(until, lambda: not second.exists())
        assert first.exists()
        cache.restrict(world.vault, 0)
        await load(front)
    assert not cache.entries(world.vault.folder.views)


async def test_what_a_killed_broker_left_half_made_is_removed(world):
    async with world.desk() as front:
        await load(front)
        [path] = await kept(world)
        old, young = (path.with_name(f"{cache.SCRATCH}{name}") for name in ("old", "young"))
        for left in (old, young):
            left.write_bytes(b"half")
        os.utime(old, (1, 1))
        await load(front, purpose="study")
        await asyncio.to_thread(until, lambda: not old.exists())
        assert young.exists()
        assert path.exists()


async def test_an_operator_lists_limits_and_clears(world, monkeypatch, capsys):
    monkeypatch.setattr(command, "SUBCOMMANDS", ("cache",))

    def run(*words):
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        status = command.main(["cache", *words, "--vault", str(world.path), "--json"])
        return status, json.loads(capsys.readouterr().out)

    async with world.desk() as front:
        await load(front)
        [path] = await kept(world)
    assert run("list") == (0, {"limit": cache.MOST, "kept": {"visits": path.stat().st_size}})
    assert run("limit", "20G") == (0, {"limit": 20 << 30})
    assert run("limit", "much")[0] != 0
    assert run("clear") == (0, {"removed": 1})
    assert run("list") == (0, {"limit": 20 << 30, "kept": {}})
    assert run("limit", "off") == (0, {"limit": 0})
    cleared = world.vault.audit.entries(kinds=(Kind.VIEWS_CLEARED,))
    assert [entry.header.outcome for entry in cleared] == ["done", "permitted"] * 3
