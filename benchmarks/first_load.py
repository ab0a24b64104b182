"""The first `%secure_load` of 10,000 rows in a kernel that has just been started, in a warm lab.

Measured inside the kernel, through the real server, guard, broker and worker, once per kernel, because a kernel has one
first load. Baseline: `pandas.read_parquet` of the plain file in the same kernel, first time too.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.sealed_read import people
from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.sealed.source import open_source
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import Tag
from tests.integration.demo_server import KernelSession
from tests.integration.server_process import PASSWORD, Server

ROWS = 10_000
KERNELS = 7
LIMIT_MS = 50.0
PASSPHRASE = "a passphrase for measuring"
POLICY = """
[dataset.people]
[[rule]]
id = "masked"
to = ["role:scientist"]
datasets = ["people"]
view = "masked"
mask = { direct = "pseudonym", quasi = "generalize", measure = "keep" }
"""
DIRECT, QUASI = {"id", "email", "phone"}, {"zip", "born", "sex", "code", "age"}
MEASURE = """
import json, time, pandas
start = time.perf_counter(); plain = pandas.read_parquet("plain.parquet"); first = time.perf_counter() - start
start = time.perf_counter()
df = %secure_load people
print("measured", json.dumps([first, time.perf_counter() - start, len(df)]))
"""


def measure(kernels: int = KERNELS) -> list[dict[str, object]]:
    """Return the entry `main.first_load_10k`; value and limit in milliseconds."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_vault(folder)
        server = Server(folder, passphrase=PASSPHRASE)
        try:
            pq.write_table(people(ROWS), server.root / "plain.parquet")
            browser = server.wait_until_ready().person("ann")
            times = [first_load(browser, f"n{number}.ipynb") for number in range(kernels + 1)][1:]
        finally:
            server.stop()
    plain, secure = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    return [
        {
            "name": "main.first_load_10k",
            "value": round(secure, 2),
            "unit": "ms",
            "baseline": round(plain, 2),
            "ratio": round(secure / plain, 3),
            "limit": LIMIT_MS,
            "over": secure > LIMIT_MS,
        }
    ]


def make_vault(folder: Path) -> None:
    """Make a vault with one person and one dataset."""
    with Vault.create(folder / "vault", PASSPHRASE) as vault:
        Accounts(vault.engine, vault.now).add("ann", PASSWORD, ["scientist"])
        source = folder / "source.parquet"
        table = people(ROWS)
        pq.write_table(table, source)
        tags = {
            name: Tag.DIRECT if name in DIRECT else Tag.QUASI if name in QUASI else Tag.MEASURE
            for name in table.column_names
        }
        vault.seal(open_source(source), "people", tags)
        Policies(vault).apply(POLICY)


def first_load(browser: object, notebook: str) -> tuple[float, float]:
    """Return seconds for the plain file and for the load, in a fresh kernel that has been idle for a moment."""
    kernel = KernelSession(browser, notebook)
    kernel.text("1")
    time.sleep(3)
    shown = kernel.text(MEASURE)
    kernel.close()
    plain, secure, rows = json.loads(shown.split("measured", 1)[1].splitlines()[0])
    assert rows == ROWS, shown
    return plain, secure
