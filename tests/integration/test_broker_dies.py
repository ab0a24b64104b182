"""The broker is killed in the middle of a load, and the vault is unlocked by typing."""

import os
import signal
import sys
import time

import numpy as np
import pexpect
import pyarrow as pa
import pytest

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.testing.sealed_data import TableSource
from tests.integration import demo_server
from tests.integration.demo_server import KernelSession
from tests.integration.server_process import PASSPHRASE, PASSWORD, Server, free_port

pytestmark = pytest.mark.slow

ROWS = 4_000_000
POLICY = """
[dataset.readings]
[[rule]]
id = "scientists-get-readings"
to = ["role:scientist"]
datasets = ["readings"]
view = "masked"
mask = { direct = "pseudonym", measure = "keep" }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dies")
    numbers = np.arange(ROWS)
    table = pa.table({"person": numbers // 4, "value": numbers * 0.5, "more": numbers % 1000})
    with Vault.create(folder / "vault", PASSPHRASE) as vault:
        Accounts(vault.engine, vault.now).add("ann", PASSWORD, ["scientist"])
        tags = {"person": Tag.DIRECT, "value": Tag.MEASURE, "more": Tag.MEASURE}
        vault.seal(TableSource(table, 200_000), "readings", tags)
        Policies(vault).apply(POLICY)
    yield folder
    demo_server.verify(folder)


@pytest.fixture
def server(folder):
    server = Server(folder)
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


def test_a_load_that_loses_its_broker_shows_nothing_and_can_be_repeated(server):
    kernel = KernelSession(server.person("ann"), "a.ipynb")
    kernel.text("%secure_status")
    time.sleep(2)
    number = kernel.send(
        "shell", "execute_request", code="df = %secure_load readings", silent=False, store_history=True
    )
    time.sleep(0.15)
    os.kill(server.broker(), signal.SIGKILL)
    reply = kernel.reply_to(number)
    assert reply["status"] == "error", reply
    assert "NameError" in kernel.text("df")
    kernel.browser.until("/jupyter_secure/session", lambda answer: answer.json().get("vault") == "locked")
    assert kernel.browser.post("/jupyter_secure/unlock", json={"passphrase": PASSPHRASE}).status_code == 200
    assert kernel.text("df = %secure_load readings\nlen(df)", timeout=60).endswith(str(ROWS))
    kernel.close()


def test_the_vault_is_unlocked_by_typing_the_passphrase(folder):
    for place in ("root", "home"):
        (folder / place).mkdir(exist_ok=True)
    command = [
        *("-P", "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={free_port()}"),
        *(f"--ServerApp.root_dir={folder / 'root'}", f"--SecureApp.vault={folder / 'vault'}"),
    ]
    environment = {**os.environ, "JUPYTER_CONFIG_PATH": str(folder / "etc"), "HOME": str(folder / "home")}
    terminal = pexpect.spawn(sys.executable, command, env=environment, cwd="/", encoding="utf-8", timeout=60)
    terminal.expect("Passphrase of the vault")
    terminal.sendline("not the passphrase")
    terminal.expect("does not open the vault")
    terminal.expect("Passphrase of the vault")
    terminal.sendline(PASSPHRASE)
    terminal.expect("The vault is open")
    terminal.expect("is running at")
    terminal.sendintr()
    terminal.expect(r"\(y/\[n\]\)")
    terminal.sendline("y")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert PASSPHRASE not in terminal.before
