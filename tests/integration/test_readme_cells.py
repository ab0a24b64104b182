"""The cells of README's "In a notebook", as they stand there, in a real notebook on data of the shape they speak of."""

import re

import numpy as np
import pandas as pd
import pytest

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.sealed.source import open_source
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import Tag
from tests.integration import demo_server
from tests.integration.demo_server import KernelSession
from tests.integration.server_process import PASSPHRASE, PASSWORD, REPOSITORY, Server

pytestmark = pytest.mark.slow

TAGS = {
    "patient_id": Tag.DIRECT, "name": Tag.DIRECT, "zip": Tag.QUASI, "age": Tag.QUASI, "sex": Tag.QUASI,
    "cost": Tag.MEASURE, "readmitted": Tag.SENSITIVE,
}  # fmt: skip
POLICY = f"""
[dataset.patients]
tags = {{ {", ".join(f'{name} = "{tag.value}"' for name, tag in TAGS.items())} }}
privacy_unit = "patient_id"
contributions = 1
bounds = {{ age = [0, 120], cost = [0, 10000] }}
keys = {{ sex = ["F", "M"], readmitted = ["no", "yes"] }}
budget = {{ epsilon = "8", delta = "1e-6", default_query = "0.1" }}

[purpose.cohort-study]
project = "cohorts"

[[rule]]
id = "scientists-get-masked"
to = ["role:scientist"]
datasets = ["patients"]
view = "masked"
mask = {{ direct = "pseudonym", quasi = "generalize", measure = "keep" }}

[[rule]]
id = "scientists-ask"
to = ["role:scientist"]
datasets = ["patients"]
view = "dp"
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    choice, rows = np.random.default_rng(4), 5000
    frame = pd.DataFrame(
        {
            "patient_id": [f"P{number:05}" for number in range(rows)],
            "name": [f"Person {number}" for number in range(rows)],
            "zip": choice.integers(10_000, 11_000, rows).astype(str),
            "age": choice.integers(0, 100, rows),
            "sex": choice.choice(["F", "M"], rows),
            "cost": choice.gamma(2, 900, rows).round(2),
            "readmitted": choice.choice(["no", "yes"], rows, p=[0.8, 0.2]),
        }
    )
    frame.to_parquet(folder / "patients.parquet")
    with Vault.create(folder / "vault", PASSPHRASE) as vault:
        Accounts(vault.engine, vault.now).add("ann", PASSWORD, ["scientist"], "Ann")
        vault.seal(open_source(folder / "patients.parquet"), "patients", TAGS)
        Policies(vault).apply(POLICY)
    server = Server(folder, vault=folder / "vault").wait_until_ready()
    try:
        opened = KernelSession(server.person("ann", PASSWORD), "cells.ipynb")
        yield opened
        opened.close()
    finally:
        server.stop()
        demo_server.verify(folder)


def test_every_cell_runs(notebook):
    found = re.search(r"In a notebook:\n\n```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    first, sql, training = found.group(1).split("\n\n")
    _, reply = notebook.run(first)
    assert reply["status"] == "ok", reply
    assert notebook.text("df.columns.tolist()") == "['zip', 'age']"
    assert (
        notebook.text("sorted(made.columns) == sorted([*df.columns, *made.columns.difference(df.columns)])") == "True"
    )
    assert notebook.text("len(made) > 4000") == "True"
    magic, *statement = sql.replace("# ", "").splitlines()
    cell = "\n".join([magic[magic.index("%%secure_sql") :], *statement])
    assert re.search(r"\bF\b.*\bM\b", notebook.text(cell), re.DOTALL)
    _, reply = notebook.run(training)
    assert reply["status"] == "ok", reply
    assert notebook.text("model.privacy_['epsilon']") == "'1'"
