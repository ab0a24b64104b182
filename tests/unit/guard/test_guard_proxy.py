"""The proxy asks before it connects, connects to the address it looked at, and cuts what is no longer permitted."""

import asyncio
import contextlib

import pytest

from jupyter_secure.guard import proxy
from jupyter_secure.guard.proxy import EgressProxy, public
from jupyter_secure.protocol.errors import AuditUnavailableError, RefusedError

PATIENCE = 60


class Ground:
    """A proxy with an answer that the test chooses, and an echo on a loopback address."""

    def __init__(self):
        self.asked = []
        self.answer = lambda: None
        self.reached = 0

    async def ask(self, host, port, again):
        self.asked.append((host, port, again))
        outcome = self.answer()
        if asyncio.iscoroutine(outcome):
            await outcome

    async def echo(self, reader, writer):
        self.reached += 1
        with contextlib.suppress(OSError):
            while piece := await reader.read(1000):
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def open(self, head=None):
        reader, writer = await asyncio.open_unix_connection(self.path)
        self.writers.append(writer)
        writer.write(head or f"CONNECT 127.0.0.1:{self.port} HTTP/1.1\r\n\r\n".encode())
        return reader, writer

    async def said(self, head=None):
        reader, _ = await self.open(head)
        return await asyncio.wait_for(reader.read(), PATIENCE)

    async def tunnel(self):
        reader, writer = await self.open()
        assert b"200" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        return reader, writer


def refuse():
    raise RefusedError("not now")


@pytest.fixture
async def ground(tmp_path):
    ground = Ground()
    ground.writers, ground.path = [], str(tmp_path / "net")
    server = await asyncio.start_server(ground.echo, "127.0.0.1", 0)
    ground.port = server.sockets[0].getsockname()[1]
    ground.proxy = EgressProxy(ground.ask)
    await ground.proxy.listen(ground.path)
    yield ground
    for writer in ground.writers:
        writer.close()
    await ground.proxy.close()
    server.close()


async def test_bytes_go_both_ways_once_it_is_permitted(ground):
    reader, writer = await ground.tunnel()
    writer.write(b"marco")
    assert await asyncio.wait_for(reader.readexactly(5), PATIENCE) == b"marco"
    assert ground.asked == [("127.0.0.1", ground.port, False)]


async def test_without_permission_there_is_no_connection(ground):
    ground.answer = refuse
    assert b"403" in await ground.said()
    assert ground.reached == 0


async def test_without_a_log_there_is_no_connection(ground):
    def unavailable():
        raise AuditUnavailableError

    ground.answer = unavailable
    assert b"503" in await ground.said()
    assert ground.reached == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "fd00::1", "64:ff9b::a00:1"])
async def test_a_permitted_name_with_an_address_inside_is_not_connected_to(ground, monkeypatch, address):
    async def getaddrinfo(_, port, **__):
        return [(0, 0, 0, "", ("8.8.8.8", port)), (0, 0, 0, "", (address, port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    said = await ground.said(f"CONNECT rebind.example:{ground.port} HTTP/1.1\r\n\r\n".encode())
    assert b"inside this computer" in said
    assert ground.reached == 0


async def test_the_address_that_was_looked_at_is_the_one_connected_to(ground, monkeypatch):
    looked, connected = [], []

    async def getaddrinfo(host, port, **_):
        looked.append(host)
        return [(0, 0, 0, "", ("8.8.8.8" if len(looked) == 1 else "127.0.0.1", port))]

    async def open_connection(host, port):
        connected.append((host, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(asyncio, "open_connection", open_connection)
    assert b"cannot be reached" in await ground.said(b"CONNECT rebind.example:443 HTTP/1.1\r\n\r\n")
    assert connected == [("8.8.8.8", 443)]


async def test_a_review_cuts_what_is_not_permitted_any_more_before_it_returns(ground):
    reader, _ = await ground.tunnel()
    ground.answer = refuse
    await ground.proxy.review()
    assert ground.asked[-1] == ("127.0.0.1", ground.port, True)
    assert not ground.proxy._passages
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    assert b"403" in await ground.said()


async def test_a_review_leaves_what_is_still_permitted(ground):
    reader, writer = await ground.tunnel()
    await ground.proxy.review()
    writer.write(b"marco")
    assert await asyncio.wait_for(reader.readexactly(5), PATIENCE) == b"marco"


async def test_a_review_cuts_what_was_permitted_and_does_not_stand_yet(ground):
    held, asked = asyncio.Event(), asyncio.Event()

    async def slowly():
        asked.set()
        await held.wait()

    ground.answer = slowly
    reader, _ = await ground.open()
    await asyncio.wait_for(asked.wait(), PATIENCE)
    ground.answer = refuse
    await ground.proxy.review()
    held.set()
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    assert ground.reached == 0


async def test_a_head_that_is_too_long_or_no_head_is_refused_without_asking(ground):
    assert b"400" in await ground.said(b"CONNECT a.org:443 HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n")
    assert b"400" in await ground.said(b"\x16\x03\x01 hello\r\n\r\n")
    assert ground.asked == []


async def test_a_head_that_never_ends_is_given_up(ground, monkeypatch):
    monkeypatch.setattr(proxy, "HEAD", 0.05)
    assert await ground.said(b"CONNECT a.org:443 HTTP/1.1\r\n") == b""


async def test_a_silent_connection_is_given_up(ground, monkeypatch):
    monkeypatch.setattr(proxy, "IDLE", 0.1)
    reader, _ = await ground.tunnel()
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""


async def test_there_are_only_so_many_connections_at_once(ground, monkeypatch):
    monkeypatch.setattr(proxy, "AT_ONCE", 1)
    _, writer = await ground.tunnel()
    assert b"too many connections" in await ground.said()
    writer.close()


@pytest.mark.parametrize(
    ("address", "open_to_all"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("2001:0:7f00:1::", False),
    ],
)
def test_which_addresses_lie_outside(address, open_to_all):
    assert public(address) is open_to_all
