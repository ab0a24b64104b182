"""Reading a sealed dataset in all columns, against `pyarrow.parquet.read_table` on the plain file of the same rows.

Pairs are read in turn, plain and sealed, and the median of their ratios is what counts: an arm that always follows a
hungrier one would look slower than it is.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_secure.testing.sealed_data import SealedData, read

ROUNDS = 7
LIMIT = 1.25


def measure(rows: int = 1_000_000, rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Return the entry `main.sealed_read`: polars with the keys, as the views read."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        table = people(rows)
        plain = folder / "plain.parquet"
        pq.write_table(table, plain, row_group_size=1 << 18)
        data = SealedData(folder)
        data.seal(table)
        opened = data.open(table.column_names)
        found = [pairwise("main.sealed_read", lambda: pq.read_table(plain), lambda: read(opened), rounds)]
        data.close()
    return found


def people(rows: int) -> pa.Table:
    """Return a table of twelve columns of the usual kinds."""
    chance = np.random.default_rng(7)
    texts = pl.DataFrame({"n": chance.integers(0, 600_000, rows)}).select(
        email=pl.format("person{}@example.org", "n"), phone=pl.format("+49 30 {}", "n")
    )
    return pa.table(
        {
            "id": np.arange(rows),
            **{
                name: texts[name].to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())
                for name in texts.columns
            },
            "zip": pa.array(np.char.zfill(chance.integers(0, 99_999, rows).astype(str), 5)),
            "born": pa.array(chance.integers(-10_000, 15_000, rows).astype("int32")).cast(pa.date32()),
            "sex": pa.array(chance.choice(["F", "M"], rows)),
            "code": pa.array(chance.choice([f"I{number}" for number in range(200)], rows)),
            **{name: chance.integers(0, 200, rows) for name in ("age", "systolic")},
            **{name: chance.normal(70, 15, rows) for name in ("weight", "height", "cost")},
        }
    )


def pairwise(
    name: str, plain: Callable[[], object], sealed: Callable[[], object], rounds: int, limit: float = LIMIT
) -> dict[str, object]:
    """Return the entry of two arms that are run in turn."""
    pairs = [(_seconds(plain), _seconds(sealed)) for _ in range(rounds + 1)][1:]
    ratio = statistics.median(pair[1] / pair[0] for pair in pairs)
    return {
        "name": name,
        "value": round(statistics.median(pair[1] for pair in pairs), 4),
        "unit": "s",
        "baseline": round(statistics.median(pair[0] for pair in pairs), 4),
        "ratio": round(ratio, 3),
        "limit": limit,
        "over": ratio > limit,
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    for entry in measure():
        print(entry)
