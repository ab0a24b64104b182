"""The worker processes: what they do, how they fail, and that none is left."""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import time
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_secure.broker.views import pool as pool_module
from jupyter_secure.broker.views.pool import WorkerPool
from jupyter_secure.kernel.opener import KernelKey, open_view
from jupyter_secure.protocol.errors import (
    CancelledError,
    IntegrityError,
    PolicyError,
    SecureError,
    UnavailableError,
)
from jupyter_secure.protocol.treatment import Generalize, Keep, Pseudonym, Redact, ShiftDates, Suppress
from jupyter_secure.protocol.view import Comparison, Membership
from tests.views_vault import INFO, plan

ROWS = 120_000
TABLE = pa.table(
    {
        "person": [f"person {row % 50_000}" for row in range(ROWS)],
        "age": pa.array(np.arange(ROWS) % 90, pa.int16()),
        "weight": pa.array(np.where(np.arange(ROWS) % 5 == 0, np.nan, np.arange(ROWS) % 100.0)),
        "born": pa.array([None if row % 7 == 0 else dt.date(1950, 1, 1) for row in range(ROWS)]),
        "note": ["a secret note"] * ROWS,
    }
)
TREATMENTS = {
    "person": Pseudonym(domain="person"),
    "age": Generalize(),
    "weight": Keep(),
    "born": Redact(),
    "note": Suppress(),
}


@pytest.fixture
def key():
    return KernelKey()


@contextlib.asynccontextmanager
async def workers(size=1, **options):
    pool = WorkerPool(size, **options)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


async def load(pool, wanted, key, **options):
    """Ask, hand over, open in another thread as a kernel would; return table and outcome."""
    stream = await pool.open(wanted, **options)
    reading = os.dup(stream.fd)
    stream.handed_over()
    try:
        table = await asyncio.to_thread(open_view, reading, stream.seal, INFO, key)
    finally:
        os.close(reading)
    return table, await stream.finished()


def of_process(pid, name):
    return Path(f"/proc/{pid}/{name}").read_text()


def descriptors(pid):
    return [link.name for link in Path(f"/proc/{pid}/fd").iterdir()]


def target(pid, fd):
    return Path(f"/proc/{pid}/fd/{fd}").readlink()


def runs(pid):
    return Path(f"/proc/{pid}").exists()


async def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def pids(pool):
    return [process.process.pid for process in pool._alive]


async def test_a_mask_that_goes_by_persons_reads_their_column_without_showing_it(tmp_path, key):
    table = pa.table(
        {"person": ["a", "b"] * 500, "born": pa.array([10_000, 20_000] * 500, pa.int32()).cast(pa.date32())}
    )
    wanted = plan(tmp_path, table, {"born": ShiftDates(days=3000, subject="person")}, key.public_bytes)
    assert set(wanted.parts[0].column_keys) == {"born", "person"}
    async with workers() as pool:
        shown, _ = await load(pool, wanted, key)
    assert shown.column_names == ["born"]
    assert len(shown["born"].unique()) == 2  # one shift for each person


async def test_a_view_has_the_rows_in_order_and_each_column_as_treated(tmp_path, key):
    seen = []
    async with workers() as pool:
        table, done = await load(pool, plan(tmp_path, TABLE, TREATMENTS, key.public_bytes), key, progress=seen.append)
    assert table.column_names == list(TREATMENTS)
    assert done.rows == table.num_rows == ROWS
    assert table["age"].to_pylist() == [age // 10 * 10 for age in TABLE["age"].to_pylist()]
    assert np.array_equal(table["weight"].to_numpy(), TABLE["weight"].to_numpy(), equal_nan=True)
    tokens = table["person"].to_pylist()
    assert tokens[:50_000] == tokens[50_000:100_000]
    assert len(set(tokens)) == 50_000
    assert table["note"].null_count == table["born"].null_count == ROWS
    assert seen == sorted(seen)
    assert seen[-1] == ROWS
    assert table.schema.metadata is None
    assert all(field.metadata is None for field in table.schema)


async def test_filters_are_joined_by_and_and_null_or_nan_fits_none(tmp_path, key):
    rows = [
        Comparison(column="age", operator="ge", value=30),
        Membership(column="person", values=("person 40", "person 41", "person 45")),
        Comparison(column="weight", operator="ne", value=1),
        Comparison(column="born", operator="lt", value="1960-01-01"),
    ]
    async with workers() as pool:
        table, done = await load(pool, plan(tmp_path, TABLE, {"age": Keep()}, key.public_bytes, rows), key)
    frame = TABLE.to_pandas()
    kept = frame[(frame.age >= 30) & frame.person.isin(["person 40", "person 41", "person 45"])]
    kept = kept[kept.weight.notna() & (kept.weight != 1) & kept.born.notna()]
    assert len(kept)
    assert table["age"].to_pylist() == kept.age.tolist()
    assert done.rows == len(kept)


async def test_a_filter_that_fits_nothing_gives_an_empty_table_with_its_columns(tmp_path, key):
    rows = [Comparison(column="age", operator="gt", value=1000)]
    async with workers() as pool:
        table, _ = await load(pool, plan(tmp_path, TABLE, TREATMENTS, key.public_bytes, rows), key)
    assert table.num_rows == 0
    assert table.column_names == list(TREATMENTS)


async def test_one_worker_does_one_job_after_another_and_others_wait(tmp_path, key):
    wanted = plan(tmp_path, TABLE, {"age": Keep()}, key.public_bytes)
    async with workers() as pool:
        before = pids(pool)
        found = await asyncio.gather(*(load(pool, wanted, key) for _ in range(4)))
        assert pids(pool) == before
    assert all(table["age"].equals(TABLE["age"]) for table, _ in found)
    assert len({done.digest for _, done in found}) == 4


async def test_an_unwilling_filter_says_what_is_wrong(tmp_path, key):
    rows = [Comparison(column="age", operator="gt", value="old")]
    async with workers() as pool:
        with pytest.raises(PolicyError):
            await pool.open(plan(tmp_path, TABLE, {"age": Keep()}, key.public_bytes, rows))
        await load(pool, plan(tmp_path, TABLE, {"age": Keep()}, key.public_bytes), key)


async def test_a_column_without_its_key_cannot_be_read(tmp_path, key):
    wanted = plan(tmp_path, TABLE, {"age": Keep(), "note": Suppress()}, key.public_bytes)
    assert "note" not in wanted.parts[0].column_keys
    opened = tuple(msgspec.structs.replace(column, treatment=Keep()) for column in wanted.columns)
    async with workers() as pool:
        with pytest.raises(IntegrityError):
            await load(pool, msgspec.structs.replace(wanted, columns=opened), key)


def harmed(folder, key, harm):
    """Return a plan whose file, or key, is another than was sealed."""
    one = TABLE.select(["person"])
    options = {"compression": "none", "use_dictionary": False}
    wanted = plan(folder, one, {"person": Keep()}, key.public_bytes, **options)
    part = wanted.parts[0]
    path = Path(part.path)
    if harm == "plain":
        pq.write_table(one, path)
    elif harm == "footer":
        plan(folder, one, {"person": Keep()}, key.public_bytes, **options)  # the same rows under other keys
    elif harm == "missing":
        path.unlink()
    elif harm == "key":
        part = msgspec.structs.replace(part, column_keys={"person": bytes(32)})
    else:
        content = bytearray(path.read_bytes())
        content[len(content) * 3 // 5] ^= 1
        path.write_bytes(content)
    return msgspec.structs.replace(wanted, parts=(part,))


@pytest.mark.parametrize("harm", ["plain", "footer", "missing", "key"])
async def test_another_file_than_was_sealed_is_refused_before_anything_is_handed_out(tmp_path, key, harm):
    wanted = harmed(tmp_path, key, harm)
    async with workers() as pool:
        with pytest.raises(IntegrityError):
            await load(pool, wanted, key)


async def test_damage_in_the_middle_shows_nothing_to_the_kernel(tmp_path, key):
    wanted = harmed(tmp_path, key, "bit")
    async with workers() as pool:
        stream = await pool.open(wanted)
        with pytest.raises(IntegrityError):
            await asyncio.to_thread(open_view, stream.fd, stream.seal, INFO, key)
        with pytest.raises(IntegrityError):
            await stream.finished()


async def test_a_killed_worker_fails_its_job_and_is_replaced(tmp_path, key):
    wanted = plan(tmp_path, TABLE, TREATMENTS, key.public_bytes)
    async with workers() as pool:
        stream = await pool.open(wanted)
        (pid,) = pids(pool)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(IntegrityError):
            await asyncio.to_thread(open_view, stream.fd, stream.seal, INFO, key)
        with pytest.raises(SecureError):
            await stream.finished()
        table, _ = await load(pool, wanted, key)
        assert table.num_rows == ROWS
        assert pids(pool) != [pid]


async def test_a_worker_that_died_while_idle_is_noticed(tmp_path, key):
    async with workers() as pool:
        (process,) = pool._alive
        process.process.kill()
        await until(lambda: process.process.poll() is not None)
        table, _ = await load(pool, plan(tmp_path, TABLE, {"age": Keep()}, key.public_bytes), key)
        assert table.num_rows == ROWS


async def test_a_kernel_that_goes_away_ends_the_job_but_not_the_worker(tmp_path, key):
    big = pa.concat_tables([TABLE] * 8)
    wanted = plan(tmp_path, big, {"weight": Keep(), "person": Keep()}, key.public_bytes)
    async with workers() as pool:
        before = pids(pool)
        stream = await pool.open(wanted)
        stream.handed_over()
        with pytest.raises(CancelledError):
            await stream.finished()
        assert pids(pool) == before


async def test_a_kernel_that_reads_nothing_loses_its_view(tmp_path, key):
    big = pa.concat_tables([TABLE] * 8)
    wanted = plan(tmp_path, big, {"weight": Keep(), "person": Keep()}, key.public_bytes)
    async with workers(stall=0.3) as pool:
        stream = await pool.open(wanted)
        with pytest.raises(CancelledError):
            await stream._task
        with pytest.raises(IntegrityError):
            await asyncio.to_thread(open_view, stream.fd, stream.seal, INFO, key)
        stream.handed_over()


async def test_cancelling_kills_and_replaces_the_worker(tmp_path, key):
    big = pa.concat_tables([TABLE] * 8)
    wanted = plan(tmp_path, big, {"weight": Keep(), "person": Keep()}, key.public_bytes)
    async with workers() as pool:
        before = pids(pool)
        stream = await pool.open(wanted)
        await stream.cancel()
        assert stream.fd == -1
        table, _ = await load(pool, wanted, key)
        assert table.num_rows == len(big)
        assert not set(before) & set(pids(pool))


async def test_closing_leaves_no_process_and_fails_what_is_under_way(tmp_path, key):
    wanted = plan(tmp_path, pa.concat_tables([TABLE] * 8), {"weight": Keep(), "person": Keep()}, key.public_bytes)
    async with workers(2) as pool:
        left = pids(pool)
        stream = await pool.open(wanted)
        await pool.close()
        with pytest.raises(UnavailableError):
            await stream.finished()
        with pytest.raises(UnavailableError):
            await pool.open(wanted)
    assert not [pid for pid in left if runs(pid)]


async def test_workers_that_do_not_start_are_tried_again_and_then_said_at_once(tmp_path, key, monkeypatch, caplog):
    monkeypatch.setattr(pool_module, "PAUSES", (0.0, 0.01))
    async with workers(memory=64 << 20) as pool:  # too little to import anything
        with pytest.raises(UnavailableError, match="No worker is running"):
            await asyncio.wait_for(pool.open(plan(tmp_path, TABLE, TREATMENTS, key.public_bytes)), 60)
    assert caplog.text.count("A worker did not start") == 2


async def test_a_worker_is_walled_in():
    async with workers() as pool:
        (pid,) = pids(pool)
        assert "NoNewPrivs:\t1\n" in of_process(pid, "status")
        assert "Max core file size        0                    0" in of_process(pid, "limits")
        if os.getuid():  # of a process that cannot be dumped only root may see this
            with pytest.raises(PermissionError):
                of_process(pid, "environ")
        else:
            assert of_process(pid, "environ") == ""


@pytest.mark.skipif(os.getuid() != 0, reason="only root may look at a process that cannot be dumped")
async def test_a_worker_inherits_nothing_but_its_socket():
    ends = os.pipe()
    os.set_inheritable(ends[0], True)
    async with workers() as pool:
        (pid,) = pids(pool)
        assert target(os.getpid(), ends[0]) not in {target(pid, fd) for fd in descriptors(pid)}
    for fd in ends:
        os.close(fd)


async def test_a_worker_ends_when_its_socket_closes():
    async with workers() as pool:
        (process,) = pool._alive
        process.channel.close()
        await until(lambda: process.process.poll() is not None)
        assert process.process.returncode == 0


async def test_who_waits_for_a_worker_holds_no_descriptor(tmp_path, key):
    async with workers() as pool:
        wanted = plan(tmp_path, TABLE, TREATMENTS, key.public_bytes)
        first = await pool.open(wanted)
        before = descriptors(os.getpid())
        waiting = [asyncio.create_task(pool.open(wanted)) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert len(descriptors(os.getpid())) == len(before)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await first.cancel()
