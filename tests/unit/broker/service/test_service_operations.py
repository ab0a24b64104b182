"""What operators rely on: probes, a log without people in it, and an end that loses nothing."""

import asyncio
import contextlib
import http.client
import json
import logging

import pytest

from jupyter_secure.broker.service import http as http_module
from jupyter_secure.broker.service.doors import STOPPING
from jupyter_secure.broker.service.journal import Lines
from jupyter_secure.broker.service.listeners import AT_ONCE, Listeners
from jupyter_secure.protocol.errors import InvalidRequestError, SecureError, UnavailableError
from jupyter_secure.protocol.messages import Load, State
from jupyter_secure.server.https import trusting
from tests.waiting import queued, until

LOAD = Load(dataset="patients")


async def get(deployment, path):
    def ask():
        tls = trusting(str(deployment.authority.path))
        connection = http.client.HTTPSConnection("127.0.0.1", deployment.port, context=tls, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def test_health_and_readiness(deployment, monkeypatch):
    monkeypatch.setattr("jupyter_secure.broker.service.serving.READY_FOR", 0.0)
    async with deployment.service() as service:
        assert await get(deployment, "/health") == (200, {"declared_guard": "G2"})
        assert await get(deployment, "/ready") == (200, {"vault": True, "database": True, "serving": True})
        service.desk.vault.keychain.lock()
        assert await get(deployment, "/ready") == (503, {"vault": False, "database": True, "serving": True})
        monkeypatch.setattr("jupyter_secure.broker.service.serving.transaction", _no_database)
        assert (await get(deployment, "/ready"))[1]["database"] is False
        assert await get(deployment, "/health") == (200, {"declared_guard": "G2"})


def _no_database(_engine):
    raise OSError


async def test_the_service_lives_below_the_path_it_was_given(deployment):
    async with deployment.service(base="/services/secure"):
        assert (await get(deployment, "/services/secure/health"))[0] == 200
        assert (await get(deployment, "/health"))[0] == 404


async def test_loads_under_way_end_before_the_service_does(deployment):
    async with deployment.service() as service:
        kernel = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
        turn = service.desk._counter._gate.turns["ann"]
        await turn.acquire()
        load = asyncio.create_task(kernel.load(LOAD))
        await queued(turn)
        stopping = asyncio.create_task(service.stop())
        await until(lambda: service.stopping)
        with pytest.raises(UnavailableError):  # nobody new is let in
            await deployment.relay(deployment.hub.token("bob")).request(State())
        assert not stopping.done()
        turn.release()
        assert (await load).num_rows == 1000
        await stopping


async def test_who_comes_while_the_service_stops_is_told_that_nothing_was_taken(deployment, monkeypatch):
    async with deployment.service() as service:
        kernel = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
        introspect, asked, stopped = service.hub.introspect, asyncio.Event(), asyncio.Event()

        async def slow(token):
            asked.set()
            await stopped.wait()
            return await introspect(token)

        monkeypatch.setattr(service.hub, "introspect", slow)
        answers = []
        remote = kernel.relay._https.exchange

        async def exchange(method, path, headers, body, take):
            try:
                await remote(method, path, headers, body, take)
            except SecureError as error:
                answers.append((error.public, error.detail))
                raise

        monkeypatch.setattr(kernel.relay._https, "exchange", exchange)
        load = asyncio.create_task(kernel.load(LOAD))
        await asked.wait()
        stopping = asyncio.create_task(service.stop())
        await until(lambda: service.stopping)
        stopped.set()
        with pytest.raises(UnavailableError):  # it asks once more, and nobody else is there
            await load
        await stopping
        assert answers[0][0] == STOPPING
        assert answers[1][1].startswith("connect: ")


async def test_what_does_not_end_in_time_is_ended_and_in_the_log(deployment, monkeypatch):
    monkeypatch.setattr(http_module, "GRACE", 0.2)
    async with deployment.service() as service:
        kernel = await deployment.kernel(deployment.hub.token("ann", ["scientist"]))
        turn = service.desk._counter._gate.turns["ann"]
        await turn.acquire()
        load = asyncio.create_task(kernel.load(LOAD))
        await queued(turn)
        await service.stop(0.2)
        with pytest.raises(SecureError):
            await load
        last = service.desk.vault.audit.entries(limit=1)[0]
        assert (last.header.kind, last.header.error) == ("load.failed", "cancelled")


async def test_so_many_relays_of_one_person_listen_and_no_more():
    listeners = Listeners()
    with contextlib.ExitStack() as stack:
        for _ in range(AT_ONCE):
            stack.enter_context(listeners.listening("ann"))
        with pytest.raises(InvalidRequestError):
            stack.enter_context(listeners.listening("ann"))
        stack.enter_context(listeners.listening("bob"))
        assert listeners.count == AT_ONCE + 1
    assert listeners.count == 0


async def test_many_changes_are_told_as_one_and_to_the_person_alone():
    listeners = Listeners()
    with listeners.listening("ann") as ann, listeners.listening("bob") as bob:
        for _ in range(5):
            await listeners.changed("a.ipynb", "ann")
        assert await ann.wait(60)
        assert not await ann.wait(0.01)
        assert not await bob.wait(0.01)
        await listeners.changed(None)
        assert await ann.wait(60)
        assert await bob.wait(60)


def test_a_line_of_the_log_is_json_and_a_strangers_arguments_are_not_in_it():
    def line(name, message, *args, **extra):
        record = logging.LogRecord(name, logging.WARNING, "f", 1, message, args, None)
        record.__dict__.update(extra)
        return json.loads(Lines().format(record))

    ours = line("jupyter_secure.broker", "stopped after %d", 3, told={"port": 1})
    assert (ours["message"], ours["port"], ours["level"]) == ("stopped after 3", 1, "warning")
    assert line("tornado.general", "Malformed HTTP message from %s: %s", "10.0.0.7", "ann")["message"] == (
        "Malformed HTTP message from %s: %s"
    )
