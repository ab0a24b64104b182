"""Starting, opening, watching and ending a real child process."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from jupyter_secure.protocol.errors import InstallationError, UnavailableError
from jupyter_secure.protocol.messages import State
from jupyter_secure.server import broker_process
from jupyter_secure.server.broker_process import BrokerProcess, clean_environment
from jupyter_secure.server.upstream import Upstream

STAND_IN = Path(__file__).with_name("stand_in_broker.py")
PASSPHRASE = "open sesame please"


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    monkeypatch.setattr(broker_process, "COMMAND", (sys.executable, "-I", str(STAND_IN)))
    monkeypatch.setattr(broker_process, "PAUSES", (0.01,))


@pytest.fixture
async def make(tmp_path):
    made = []

    def build(unlock="panel", fd=-1, vault=tmp_path):
        changes = []
        upstream = Upstream(lambda: None)
        process = BrokerProcess(
            str(vault),
            upstream,
            unlock=unlock,
            fd=fd,
            changed=lambda: changes.append(1),
            log=logging.getLogger("test"),
        )
        process.changes, process.upstream = changes, upstream
        made.append(process)
        process.spawn()
        return process

    yield build
    for process in made:
        await process.stop()


def line(text):
    read, write = os.pipe()
    os.write(write, text.encode())
    os.close(write)
    return read


async def started(process):
    process.open()
    process.watch()
    await asyncio.sleep(0)
    return process


async def state(process):
    reply, _ = await process.upstream.request(State(), patience=20)
    return reply


async def reborn(process, old):
    async with asyncio.timeout(60):
        while True:
            try:
                reply = await state(process)
            except UnavailableError:
                await asyncio.sleep(0.02)
                continue
            if reply.pid != old:
                return reply


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_passphrase_from_a_descriptor_opens_the_vault(make):
    process = await started(make("fd", line(PASSPHRASE + "\n")))
    assert (await state(process)).vault == "unlocked"


async def test_a_wrong_passphrase_leaves_the_vault_locked_and_the_broker_alive(make, caplog):
    process = await started(make("fd", line("not the passphrase\n")))
    assert (await state(process)).vault == "locked"
    assert "not the passphrase" not in caplog.text


async def test_the_keyring_opens_the_vault_and_opens_it_again_after_a_crash(make):
    process = await started(make("keyring"))
    first = await state(process)
    assert first.vault == "unlocked"
    os.kill(first.pid, signal.SIGKILL)
    await reborn(process, first.pid)
    await process._greeting
    assert (await state(process)).vault == "unlocked"


async def test_a_killed_broker_fails_its_requests_and_is_replaced(make, caplog):
    process = await started(make())
    first = await state(process)
    os.kill(first.pid, signal.SIGSTOP)
    waiting = asyncio.create_task(process.upstream.request(State()))
    await asyncio.sleep(0)
    os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(UnavailableError):
        await waiting
    second = await reborn(process, first.pid)
    assert second.pid != first.pid
    assert gone(first.pid)
    assert "The broker ended (status -9)" in caplog.text
    assert process.changes


async def test_a_restarted_broker_is_locked_because_nobody_kept_the_passphrase(make):
    process = await started(make("fd", line(PASSPHRASE + "\n")))
    first = await state(process)
    os.kill(first.pid, signal.SIGKILL)
    assert (await reborn(process, first.pid)).vault == "locked"


async def test_stop_leaves_no_process(make):
    process = await started(make())
    pid = (await state(process)).pid
    await process.stop()
    assert gone(pid)
    with pytest.raises(UnavailableError):
        await state(process)


async def test_stop_ends_a_broker_that_does_not_listen(make, monkeypatch):
    monkeypatch.setattr(broker_process, "PATIENCE", 0.1)
    process = await started(make())
    pid = (await state(process)).pid
    os.kill(pid, signal.SIGSTOP)
    await process.stop()
    assert gone(pid)


async def test_a_broker_that_cannot_start_is_reported(make, tmp_path):
    process = make(vault=tmp_path / "missing")
    with pytest.raises(InstallationError, match="did not start"):
        process.open()


async def test_nothing_secret_is_in_its_environment_or_arguments(make, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_TOKEN", "secret")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    (tmp_path / "report").touch()
    await started(make("fd", line(PASSPHRASE + "\n")))
    report = (tmp_path / "report").read_text()
    names = report.split("] ", 1)[0]
    assert "JUPYTER_TOKEN" not in names
    assert "SSH_AUTH_SOCK" not in names
    assert "PYTHONPATH" not in names
    assert " 1 True [" in report  # isolated mode, a session of its own
    assert PASSPHRASE not in report


def test_the_environment_is_an_allow_list():
    full = {"PATH": "p", "LC_ALL": "C", "JUPYTER_TOKEN": "x", "LD_PRELOAD": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    assert clean_environment(full) == {"PATH": "p", "LC_ALL": "C"}
