"""What a view takes in memory does not grow with the file."""

import asyncio
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace

from jupyter_secure.broker.views.pool import WorkerPool
from jupyter_secure.broker.views.scan import BATCH, Scan, batch_rows
from jupyter_secure.kernel.opener import KernelKey
from jupyter_secure.protocol.treatment import Keep
from tests.views_vault import plan

GROUP = 1 << 13
COLUMNS = 32


def wide(rows):
    return pa.table({f"c{number}": np.random.default_rng(number).normal(0, 1, rows) for number in range(COLUMNS)})


def planned(folder, table, groups):
    wanted = plan(folder, table, dict.fromkeys(table.column_names, Keep()), KernelKey().public_bytes, group=GROUP)
    return replace(wanted, parts=(replace(wanted.parts[0], row_groups=groups),))


@pytest.mark.parametrize(
    ("rows", "groups", "expected"),
    [
        (10 * GROUP, 10, GROUP),
        (9 * GROUP + 1, 10, GROUP),  # the last group may be short
        (GROUP + 1, 2, GROUP),
        (2 * BATCH, 1, BATCH),
        (40 * BATCH, 20, BATCH),  # sealed when groups were twice as large
        (5, 0, BATCH),
        (0, 1, BATCH),
    ],
)
def test_a_batch_is_a_row_group_and_never_more_than_the_usual_one(tmp_path, rows, groups, expected):
    part = planned(tmp_path, wide(1), 1).parts[0]
    assert batch_rows(replace(part, rows=rows, row_groups=groups)) == expected


def test_batches_are_the_row_groups(tmp_path):
    table = wide(3 * GROUP + 7)
    scan = Scan(planned(tmp_path, table, 4))
    try:
        assert [height for height, _ in scan.batches()] == [GROUP, GROUP, GROUP, 7]
    finally:
        scan.close()


async def test_a_worker_takes_less_than_the_view_it_makes(tmp_path):
    table = wide(96 * GROUP)
    pool = WorkerPool(1)
    await pool.start()
    try:
        before = peak(*pool.pids)
        stream = await pool.open(planned(tmp_path, table, 96))
        reading = os.dup(stream.fd)
        stream.handed_over()
        await asyncio.gather(asyncio.to_thread(drain, reading), stream.finished())
        assert peak(*pool.pids) - before < table.nbytes / 2
    finally:
        await pool.close()


def peak(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def drain(fd):
    with os.fdopen(fd, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
