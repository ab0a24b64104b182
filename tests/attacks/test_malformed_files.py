"""Damaged files end in a sentence: whoever reads one may die of it, the broker and the vault do not.

A corpus of small files of every kind is changed at random places, the same ones in every run.
"""

import hashlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec import structs
from pyarrow import feather

from jupyter_secure.broker.views.pool import WorkerPool
from jupyter_secure.kernel.opener import KernelKey, open_view
from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.treatment import Keep
from tests.attacks.mutation import mutated
from tests.views_vault import INFO, plan

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
ROWS = 300
TABLE = pa.table(
    {
        "n": list(range(ROWS)),
        "s": [f"x{number}" for number in range(ROWS)],
        "l": [[number, None] for number in range(ROWS)],
        "d": pa.array(["u", "v", "w"] * (ROWS // 3)).dictionary_encode(),
        "m": [{"x": number} for number in range(ROWS)],
    }
)
SEEDS = 250
READER = """
import pathlib, sys
from jupyter_secure.broker.sealed.source import open_source, sample
from jupyter_secure.broker.sealed.tags import suggest
from jupyter_secure.protocol.errors import SecureError
from tests.attacks.mutation import mutated
path, first, last = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
damaged = path.with_name("damaged" + path.suffix)
for seed in range(first, last):
    print(seed, flush=True)
    damaged.write_bytes(mutated(path.read_bytes(), seed))
    try:
        source = open_source(damaged)
        suggest(sample(source))
        for _ in source.batches():
            pass
    except SecureError:
        pass
"""


def corpus(folder):
    for codec in ("none", "zstd"):
        pq.write_table(TABLE, folder / f"{codec}.parquet", compression=codec)
    for codec in ("uncompressed", "zstd"):
        feather.write_feather(TABLE, folder / f"{codec}.feather", compression=codec)
    (folder / "t.csv").write_text('a,b\n1,x\n2,"y\nz"\n' * 20)
    (folder / "t.jsonl").write_text('{"a": 1, "b": {"c": [1.5, null]}}\n' * 20)
    return sorted(folder.iterdir())


def test_a_damaged_file_that_is_brought_to_be_sealed_ends_in_a_sentence(tmp_path):
    for path in corpus(tmp_path):
        seed = 0
        while seed < SEEDS:
            words = [sys.executable, "-c", READER, str(path), str(seed), str(SEEDS)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
            assert done.returncode <= 0, (path.name, done.stdout.split()[-1:], done.stderr[-2000:])
            seed = int(done.stdout.split()[-1]) + 1  # after a signal, which only this process died of, go on


async def outcome(pool, wanted, key):
    try:
        stream = await pool.open(wanted)
        reading = os.dup(stream.fd)
        stream.handed_over()
        try:
            table = open_view(reading, stream.seal, INFO, key)
        finally:
            os.close(reading)
        await stream.finished()
    except SecureError:
        return None
    return table


async def test_a_damaged_part_kills_a_worker_at_most_even_where_its_pin_was_forged(tmp_path):
    """The pin is made to fit, as if the manifest had been signed over the damage: the workers stand alone here."""
    key = KernelKey()
    names = ("n", "s", "d")
    wanted = plan(tmp_path / "v", TABLE.select(names), dict.fromkeys(names, Keep()), key.public_bytes)
    [part] = wanted.parts
    content = (tmp_path / "v" / "part-00000.parquet").read_bytes()
    pool = WorkerPool(1)
    await pool.start()
    try:
        whole = await outcome(pool, wanted, key)
        for seed in range(SEEDS // 2):
            damaged = mutated(content, seed)
            (tmp_path / "damaged.parquet").write_bytes(damaged)
            forged = structs.replace(part, path=str(tmp_path / "damaged.parquet"), footer_digest=pin(damaged))
            found = await outcome(pool, structs.replace(wanted, parts=(forged,)), key)
            assert found is None or found.equals(whole), seed
        assert (await outcome(pool, wanted, key)).equals(whole)
    finally:
        await pool.close()


def pin(content):
    length = struct.unpack("<I", content[-8:-4])[0] if len(content) > 12 else 0
    return hashlib.sha256(content[-8 - length :]).hexdigest() if length + 8 <= len(content) else "0" * 64
