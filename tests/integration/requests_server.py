"""JupyterLab on the demo's data and people, under a policy that gives raw data on request alone."""

from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.cli import demo
from tests.integration.server_process import Server

TERMS = "I use this data for the study alone and publish no single person."
POLICY = f"""
[dataset.patients]
max_grant_days = 30

[purpose.cohort-study]
title = "Does giving up smoking change weight?"
acknowledge = "{TERMS}"

[[rule]]
id = "raw-on-request"
to = ["role:scientist", "role:steward"]
datasets = ["patients"]
view = "raw"
when = {{ approval = true, purpose = ["cohort-study"] }}
"""
LOAD = "df = %secure_load patients --purpose cohort-study"


def start(folder):
    """Make the vault in a folder and start JupyterLab on it."""
    vault = folder / "vault"
    demo.make_vault(vault)
    with Vault.open_locked(vault) as opened:
        opened.unlock(demo.PASSPHRASE)
        Policies(opened).apply(POLICY)
    server = Server(folder, program="jupyterlab", passphrase=demo.PASSPHRASE, vault=vault)
    (server.root / "study.ipynb").write_text(NOTEBOOK)
    return server.wait_until_ready()


NOTEBOOK = """{"cells": [{"cell_type": "code", "execution_count": null, "id": "a", "metadata": {}, "outputs": [],
"source": [""]}], "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
"nbformat": 4, "nbformat_minor": 5}"""
