"""`dp.*`: private questions as a notebook asks them, over a million sealed rows, against pandas without privacy.

Measured inside the kernel: real server, guard, broker, worker, ledger and log on disk. Every question is a new one, so
none comes from the record; the two arms are run in turn. `dp.notebook_count` has a limit in milliseconds, the others
one on the ratio; an answer under 10 ms would be exempt from it.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.sealed.source import open_source
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import Tag
from tests.integration.demo_server import KernelSession
from tests.integration.server_process import PASSWORD, Server

ROWS = 1_000_000
ROUNDS = 15
LIMIT_MS, EXEMPT_MS, LIMIT = 30.0, 10.0, 3.0
PASSPHRASE = "a passphrase for measuring"
TOWNS = [f"t{number:02}" for number in range(100)]
POLICY = f"""
[dataset.people]
tags = {{ pid = "direct", age = "quasi", cost = "measure", town = "quasi" }}
privacy_unit = "pid"
contributions = 2
bounds = {{ age = [0, 100], cost = [0, 20000] }}
resolution = {{ cost = 1 }}
bins = {{ cost = {[400 * edge for edge in range(51)]} }}
keys = {{ town = {json.dumps(TOWNS)} }}
budget = {{ epsilon = "50", delta = "1e-6", default_query = "0.1" }}

[[rule]]
id = "ask"
to = ["role:scientist"]
datasets = ["people"]
view = "dp"
"""
SETUP = """
import json, time, pandas
df = pandas.read_parquet("plain.parquet")
p = %secure_load people --as dp
def timed(work):
    start = time.perf_counter(); work(); return time.perf_counter() - start
E = dict(epsilon="0.01")
KINDS = {
    "count": (lambda n: p[p.cost > n].count(**E), lambda n: int((df.cost > n).sum())),
    "mean": (lambda n: p[p.cost > n].cost.mean(**E), lambda n: df.cost[df.cost > n].mean()),
    "histogram": (lambda n: p[p.age < 90 + n / 1000].hist("cost", **E),
                  lambda n: pandas.cut(df.cost[df.age < 90 + n / 1000], range(0, 20001, 400)).value_counts()),
    "quantiles": (lambda n: p[p.age < 90 + n / 1000].cost.quantile([0.2, 0.4, 0.6, 0.8], **E),
                  lambda n: df.cost[df.age < 90 + n / 1000].quantile([0.2, 0.4, 0.6, 0.8])),
    "grouped": (lambda n: p[p.cost > n].groupby("town").cost.mean(**E),
                lambda n: df[df.cost > n].groupby("town").cost.mean()),
}
"""
MEASURE = """
found = {name: [(timed(lambda: plain(n)), timed(lambda: ours(n))) for n in range(%d)]
         for name, (ours, plain) in KINDS.items()}
print("measured", json.dumps(found))
"""


def measure(rounds: int = ROUNDS) -> list[dict[str, object]]:
    """Return the entries."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        table = _people()
        _make_vault(folder, table)
        server = Server(folder, passphrase=PASSPHRASE)
        try:
            pq.write_table(table, server.root / "plain.parquet")
            kernel = KernelSession(server.wait_until_ready().person("ann"), "questions.ipynb")
            kernel.text(SETUP)
            shown = kernel.text(MEASURE % (rounds + 2), timeout=300)
            kernel.close()
        finally:
            server.stop()
    assert "measured" in shown, shown
    found = json.loads(shown.split("measured", 1)[1].splitlines()[0])
    entries = [_entry(f"dp.{name}", pairs[2:]) for name, pairs in found.items()]
    count = entries[0]
    return [count | {"name": "dp.notebook_count", "limit": LIMIT_MS, "over": count["value"] > LIMIT_MS}, *entries]  # type: ignore[operator]


def _entry(name: str, pairs: list[tuple[float, float]]) -> dict[str, object]:
    value = 1000 * statistics.median(ours for _, ours in pairs)
    ratio = statistics.median(ours / plain for plain, ours in pairs)
    return {
        "name": name,
        "value": round(value, 2),
        "unit": "ms",
        "baseline": round(1000 * statistics.median(plain for plain, _ in pairs), 2),
        "ratio": round(ratio, 2),
        "limit": LIMIT,
        "over": ratio > LIMIT and value > EXEMPT_MS,
    }


def _people() -> pa.Table:
    chance = np.random.default_rng(7)
    return pa.table(
        {
            "pid": np.arange(ROWS) // 2,
            "age": chance.integers(0, 100, ROWS),
            "cost": np.round(chance.gamma(2, 1000, ROWS), 2),
            "town": np.array(TOWNS)[chance.integers(0, len(TOWNS), ROWS)],
        }
    )


def _make_vault(folder: Path, table: pa.Table) -> None:
    with Vault.create(folder / "vault", PASSPHRASE) as vault:
        Accounts(vault.engine, vault.now).add("ann", PASSWORD, ["scientist"])
        source = folder / "source.parquet"
        pq.write_table(table, source)
        tags = {"pid": Tag.DIRECT, "age": Tag.QUASI, "cost": Tag.MEASURE, "town": Tag.QUASI}
        vault.seal(open_source(source), "people", tags)
        Policies(vault).apply(POLICY)


if __name__ == "__main__":
    for entry in measure():
        print(entry)
