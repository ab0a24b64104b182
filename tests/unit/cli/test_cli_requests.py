"""Requests for access on the command line: who may decide, with which password, and what the log says."""

import asyncio
import io
import json
import sys
import time

import pyarrow as pa
import pytest

from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.requests.store import Requests
from jupyter_secure.cli import main as command
from jupyter_secure.protocol.access import RequestState
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.messages import AskAccess, PanelAsk
from jupyter_secure.protocol.record import Kind
from jupyter_secure.testing.world import PASSWORD, World

POLICY = """
[dataset.patients]
[[rule]]
id = "raw-on-request"
to = ["role:scientist", "role:steward"]
datasets = ["patients"]
view = "raw"
when = { approval = true }
"""


@pytest.fixture(autouse=True)
def only_this(monkeypatch):
    monkeypatch.setattr(command, "SUBCOMMANDS", ("requests",))


@pytest.fixture
def world(tmp_path):
    # The real clock: the command has no other.
    with World(tmp_path) as world:
        world.clock.now_ms = time.time_ns() // 1_000_000
        for name, role in [("ann", "scientist"), ("sue", "steward"), ("tom", "steward")]:
            world.person(name, role)
        world.seal(pa.table({"cost": [1.0]}), tags={"cost": Tag.MEASURE})
        Policies(world.vault).apply(POLICY)
        yield world
        world.verify()


def ask(world, name):
    async def asking():
        async with world.desk() as front:
            wish = AskAccess(dataset="patients", reason="Who comes back?", days=5)
            return (await front.ask(PanelAsk(ticket=await front.login(name), ask=wish))).request

    return asyncio.run(asking())


@pytest.fixture
def run(monkeypatch, capsys, world):
    def run(*words, typed=PASSWORD):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{typed}\n"))
        status = command.main(["requests", *words, "--vault", str(world.path), "--password-stdin"])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def state(world, request):
    return Requests(world.vault.engine, world.clock).get(request.id).state


def test_open_requests_are_listed(world, run):
    assert run("list")[1] == "Nobody has asked for access yet.\n"
    request = ask(world, "ann")
    shown = run("list", "--open")[1]
    assert request.id[:8] in shown
    assert "Who comes back?" in shown
    assert json.loads(run("list", "--json")[1])[0]["user"] == "ann"


def test_a_steward_approves_and_revokes_by_a_short_number(world, run):
    request = ask(world, "ann")
    status, out, _ = run("approve", request.id[:8], "--as", "sue", "--days", "3", "--note", "fine")
    assert (status, state(world, request)) == (0, RequestState.APPROVED)
    assert "ann's request for patients as raw is approved until" in out
    assert run("revoke", request.id, "--as", "tom")[0] == 0
    assert state(world, request) is RequestState.REVOKED
    last = world.vault.audit.entries(kinds=(Kind.ACCESS_APPROVED,))[0]
    assert (last.personal.user, last.personal.note, last.header.extra["days"]) == ("sue", "fine", "3")


def test_a_steward_denies(world, run):
    request = ask(world, "ann")
    assert run("deny", request.id[:8], "--as", "sue")[1] == "ann's request for patients as raw is denied.\n"
    assert "Nobody waits" in run("list", "--open")[1]


@pytest.mark.parametrize(
    ("account", "typed", "sentence"),
    [
        ("sue", "not the password", "do not belong together"),
        ("nobody", PASSWORD, "do not belong together"),
        ("ann", PASSWORD, "no request of that number"),
    ],
)
def test_without_a_steward_s_password_nothing_is_decided(world, run, account, typed, sentence):
    request = ask(world, "tom")
    status, _, err = run("approve", request.id, "--as", account, typed=typed)
    assert (status, state(world, request)) == (1, RequestState.REQUESTED)
    assert sentence in err
    kind = Kind.ACCESS_APPROVED if account == "ann" else Kind.LOGIN_FAILED
    assert world.vault.audit.entries(kinds=(kind,))[0].header.outcome == "refused"


def test_nobody_decides_his_own_request_here_either(world, run):
    request = ask(world, "tom")
    status, _, err = run("approve", request.id, "--as", "tom")
    assert (status, state(world, request)) == (1, RequestState.REQUESTED)
    assert "Nobody decides his own request" in err


@pytest.mark.parametrize(
    "words", [("approve", "0" * 8), ("approve", "0" * 7), ("deny", "f" * 32), ("revoke", "x" * 32)]
)
def test_a_number_that_names_nothing_is_a_sentence(world, run, words):
    status, _, err = run(*words, "--as", "sue")
    assert status == 1
    assert err.strip()
    assert "Traceback" not in err
