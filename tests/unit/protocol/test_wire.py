"""One datagram is one message, and nothing that was not asked for stays open."""

import asyncio
import os
import pathlib
import socket

import pytest

from jupyter_secure.protocol import messages
from jupyter_secure.protocol.errors import InvalidRequestError, UnavailableError
from jupyter_secure.protocol.wire import INLINE, Channel, Codec, pair, read_sealed, receive_datagram, seal_memory


def open_descriptors():
    return {path.name for path in pathlib.Path("/proc/self/fd").iterdir()}


@pytest.fixture
def ends():
    left, right = pair()
    yield left, right
    left.close()
    right.close()


async def test_a_message_arrives_as_it_was_sent(ends):
    relay = Channel(ends[0], Codec(messages.FromBroker))
    broker = Channel(ends[1], Codec(messages.ToBroker))
    sent = messages.ToBroker(id=7, body=messages.Login(user="ann", password="correct horse"))
    await relay.send(sent)
    assert await broker.receive() == (sent, [])


async def test_a_message_larger_than_a_datagram_arrives_whole(ends):
    relay, broker = Channel(ends[0], Codec(messages.FromBroker)), Channel(ends[1], Codec(messages.ToBroker))
    before = open_descriptors()
    big = messages.ToBroker(id=1, body=messages.PanelLog(ticket="t" * 4000, notebook="n" * 1000))
    reply = messages.FromBroker(id=1, body=messages.LogReply(entries=(), checkpoint="c" * (INLINE * 5)))
    await relay.send(big)
    await broker.receive()
    await broker.send(reply)
    assert await relay.receive() == (reply, [])
    assert open_descriptors() == before


def test_memory_is_read_from_its_beginning_by_whoever_gets_it():
    fd = seal_memory("answer", b"content")
    try:
        assert os.read(fd, 100) == b"content"
    finally:
        os.close(fd)


async def test_a_descriptor_crosses_and_one_too_many_is_closed(ends):
    relay, broker = Channel(ends[0], Codec(messages.FromBroker), wanted=1), Channel(ends[1], Codec(messages.ToBroker))
    fd = seal_memory("view", b"content")
    await broker.send(messages.FromBroker(id=1, body=messages.Done()), (fd, fd))
    before = open_descriptors()
    message, fds = await relay.receive()
    assert message.id == 1
    assert [os.pread(one, 10, 0) for one in fds] == [b"content"]
    assert len(open_descriptors() - before) == 1
    os.close(fds[0])
    os.close(fd)


async def test_a_large_message_from_a_kernel_is_refused(ends):
    relay = Channel(ends[0], Codec(messages.ToRelay, spill=False))
    before = open_descriptors()
    fd = seal_memory("message", b'{"id":1,"body":{"type":"Status"}}')
    socket.send_fds(ends[1], [b"\1"], [fd])
    os.close(fd)
    with pytest.raises(InvalidRequestError):
        await relay.receive()
    assert open_descriptors() == before


@pytest.mark.parametrize(
    "datagram",
    [
        b"\0",
        b"\0{}",
        b"\2{}",
        b"\0[1]",
        b'\0{"id":-1,"body":{"type":"Status"}}',
        b'\0{"id":1,"body":{"type":"Status","x":1}}',
    ],
)
async def test_garbage_is_refused_and_the_channel_lives_on(ends, datagram):
    relay = Channel(ends[0], Codec(messages.ToRelay, spill=False))
    ends[1].send(datagram)
    with pytest.raises(InvalidRequestError):
        await relay.receive()
    ends[1].send(b'\0{"id":1,"body":{"type":"Status"}}')
    assert (await relay.receive())[0].body == messages.Status()


async def test_a_datagram_that_does_not_fit_is_refused(ends):
    relay = Channel(ends[0], Codec(messages.ToRelay, spill=False))
    ends[1].send(b"\0" + b"x" * (INLINE + 10))
    with pytest.raises(InvalidRequestError):
        await relay.receive()


async def test_the_far_side_going_away_is_seen_by_both_directions(ends):
    relay = Channel(ends[0], Codec(messages.ToRelay))
    ends[1].close()
    assert await relay.receive() is None
    with pytest.raises(UnavailableError):
        await relay.send(messages.FromRelay(id=1))


async def test_a_slow_reader_stops_the_writer_and_loses_nothing(ends):
    relay, kernel = Channel(ends[0], Codec(messages.ToRelay)), Channel(ends[1], Codec(messages.FromRelay))
    sent = [messages.FromRelay(id=n, body=messages.Progress(rows=n, total=1000)) for n in range(2000)]
    writing = asyncio.ensure_future(asyncio.wait_for(_send_all(relay, sent), 60))
    await asyncio.sleep(0.05)
    assert not writing.done()
    assert [(await kernel.receive())[0] for _ in sent] == sent
    await writing


async def _send_all(channel, sent):
    for message in sent:
        await channel.send(message)


def test_memory_that_somebody_could_still_change_is_refused():
    fd = os.memfd_create("open")
    os.write(fd, b"{}")
    with pytest.raises(InvalidRequestError):
        read_sealed(fd)
    os.close(fd)


def test_received_descriptors_are_not_inherited(ends):
    fd = seal_memory("view", b"x")
    socket.send_fds(ends[0], [b"\0"], [fd])
    os.close(fd)
    _, fds = receive_datagram(ends[1])
    assert not os.get_inheritable(fds[0])
    os.close(fds[0])


NOT_MESSAGES = {
    "text that is not UTF-8": b'\0{"id":1,"body":{"type":"Query","question":"\xff"}}',
    "a tag that is not UTF-8": b'\0{"id":1,"body":{"type":"\xff"}}',
    "a name that is not UTF-8": b'\0{"\xff":1}',
    "deep nesting before the tag": b'\0{"id":1,"body":{"x":' + b"[" * 29000 + b"]" * 29000 + b',"type":"Status"}}',
    "a number without end": b'\0{"id":' + b"9" * 5000 + b',"body":{"type":"Status"}}',
    "another flag": b'\2{"id":1,"body":{"type":"Status"}}',
}


@pytest.mark.parametrize("datagram", NOT_MESSAGES.values(), ids=NOT_MESSAGES)
async def test_whatever_is_no_message_is_refused_as_that_and_the_next_one_is_read(ends, datagram):
    relay = Channel(ends[1], Codec(messages.ToRelay, spill=False))
    fd = seal_memory("more", b"")
    before = open_descriptors()
    socket.send_fds(ends[0], [datagram], [fd, fd])
    ends[0].send(b'\0{"id":2,"body":{"type":"Status"}}')
    with pytest.raises(InvalidRequestError):
        await relay.receive()
    assert (await relay.receive())[0].id == 2
    assert open_descriptors() == before
    os.close(fd)


async def test_descriptors_beside_an_empty_datagram_are_closed(ends):
    fd = seal_memory("more", b"")
    before = open_descriptors()
    socket.send_fds(ends[0], [b""], [fd, fd])
    assert await Channel(ends[1], Codec(messages.ToRelay)).receive() is None
    assert open_descriptors() == before
    os.close(fd)


async def test_a_text_that_cannot_be_written_is_an_error_of_the_family(ends):
    with pytest.raises(InvalidRequestError):
        await Channel(ends[0], Codec(messages.FromBroker)).send(
            messages.ToBroker(id=1, body=messages.MoveKernel(grant="g", notebook="\ud800"))
        )


async def test_closing_ends_the_wait_of_sender_and_receiver(ends):
    channel = Channel(ends[0], Codec(messages.FromBroker))
    message = messages.ToBroker(id=1, body=messages.Login(user="u" * 4000, password="p"))

    async def fill():
        while True:
            await channel.send(message)

    sender, receiver = asyncio.create_task(fill()), asyncio.create_task(channel.receive())
    await asyncio.sleep(0.05)
    channel.close()
    async with asyncio.timeout(60):
        assert await receiver is None
        with pytest.raises(UnavailableError):
            await sender


async def test_a_far_side_that_never_stops_sending_leaves_others_their_turn(ends):
    channel = Channel(ends[0], Codec(messages.ToRelay))
    for _ in range(50):
        ends[1].send(b'\0{"id":1,"body":{"type":"Cancel","request":5}}')
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(50):
        await channel.receive()
    task.cancel()
    assert turns >= 50
