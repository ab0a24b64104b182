"""The same questions in a notebook, against pandas there: server, guard, broker, worker, ledger and log on disk.

Every question is a new one, because its numbers have other names; pandas and the private handle are asked in turn.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.sealed.source import open_source
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import Tag
from tests.integration.demo_server import KernelSession
from tests.integration.server_process import PASSWORD, Server

from .data import EDGES, LOWER, NAMES, QUANTILES, UPPER, People
from .ours import AGGREGATES, question, table

PASSPHRASE = "a passphrase for measuring"
WARM = 2
POLICY = f"""
[dataset.people]
tags = {{ pid = "direct", income = "measure", town = "quasi" }}
privacy_unit = "pid"
contributions = 1
bounds = {{ income = [{LOWER}, {UPPER}] }}
resolution = {{ income = 0.01 }}
keys = {{ town = {json.dumps(NAMES)} }}
budget = {{ epsilon = "50", delta = "1e-6", default_query = "0.1" }}

[[rule]]
id = "ask"
to = ["role:scientist"]
datasets = ["people"]
view = "dp"
"""
SETUP = f"""
import json, time, pandas
df = pandas.read_parquet("plain.parquet")
p = %secure_load people --as dp
def timed(work):
    start = time.perf_counter(); work(); return time.perf_counter() - start
PLAIN = {{
    "count": lambda: len(df.income.dropna()),
    "mean": lambda: df.income.mean(),
    "histogram": lambda: pandas.cut(df.income, {EDGES}, right=False).value_counts(),
    "quantiles": lambda: df.income.quantile({list(QUANTILES)}),
    "grouped": lambda: df.groupby("town").income.mean(),
}}
"""
MEASURE = """
found = {name: [(timed(PLAIN[name]), timed(lambda: p.ask(asked, epsilon="0.01"))) for asked in turns]
         for name, turns in json.loads('''%s''').items()}
print("measured", json.dumps(found))
"""


def times(people: People, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Return for each question (pandas, ours) in seconds."""
    turns = {name: [question(name, turn) for turn in range(rounds + WARM)] for name in AGGREGATES}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        plain = folder / "plain.parquet"
        pq.write_table(table(people), plain)
        _make_vault(folder / "vault", plain)
        server = Server(folder, passphrase=PASSPHRASE)
        try:
            shutil.copy(plain, server.root)
            kernel = KernelSession(server.wait_until_ready().person("ann"), "questions.ipynb")
            kernel.text(SETUP)
            shown = kernel.text(MEASURE % json.dumps(turns), timeout=300)
            kernel.close()
        finally:
            server.stop()
    assert "measured" in shown, shown
    found = json.loads(shown.split("measured", 1)[1].splitlines()[0])
    return {name: [(plain, ours) for plain, ours in pairs[WARM:]] for name, pairs in found.items()}


def _make_vault(folder: Path, source: Path) -> None:
    with Vault.create(folder, PASSPHRASE) as vault:
        Accounts(vault.engine, vault.now).add("ann", PASSWORD, ["scientist"])
        tags = {"pid": Tag.DIRECT, "income": Tag.MEASURE, "town": Tag.QUASI}
        vault.seal(open_source(source), "people", tags, measure="pure")
        Policies(vault).apply(POLICY)
