"""Upstream and the relay of one kernel's channel, over real sockets with a scripted broker at the far end."""

import asyncio
import os
import socket

import pytest

from jupyter_secure.protocol.errors import (
    InvalidRequestError,
    RefusedError,
    SecureError,
    UnauthenticatedError,
    UnavailableError,
)
from jupyter_secure.protocol.grant import Grant, GuardLevel, GuardReport
from jupyter_secure.protocol.messages import (
    Budget,
    BudgetReply,
    Cancel,
    Catalog,
    CatalogReply,
    Changed,
    Done,
    FromBroker,
    FromKernel,
    FromRelay,
    Progress,
    State,
    StateReply,
    Status,
    ToBroker,
    ToRelay,
)
from jupyter_secure.protocol.wire import Channel, Codec, pair, seal_memory
from jupyter_secure.server.relay import AT_ONCE, KernelChannel
from jupyter_secure.server.upstream import Upstream

GRANT = Grant(
    id="g-1",
    user="ann",
    kernel="k-1",
    notebook="a.ipynb",
    guard=GuardReport(level=GuardLevel.G3),
    issued_at=1,
    expires_at=2,
)
STATE = StateReply(vault="locked", version="1", pid=1, log_size=0)


class Far:
    """The broker's end: what arrived, and a way to answer."""

    def __init__(self):
        near, far = pair()
        self.near = near
        self.channel = Channel(far, Codec(ToBroker))

    async def next(self):
        async with asyncio.timeout(60):
            received = await self.channel.receive()
        assert received is not None
        return received[0]

    async def answer(self, number, body=None, error=None, fds=()):
        await self.channel.send(FromBroker(id=number, body=body, error=error), fds)


@pytest.fixture
async def far():
    far = Far()
    yield far
    far.channel.close()


@pytest.fixture
async def upstream(far):
    pings = []
    upstream = Upstream(lambda: pings.append(1))
    upstream.pings = pings
    task = asyncio.create_task(upstream.serve(far.near))
    await asyncio.sleep(0)
    yield upstream
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Kernel:
    def __init__(self, sock):
        self.sock = sock
        self.channel = Channel(sock, Codec(FromRelay), wanted=1)

    async def ask(self, number, body):
        await self.channel.send(ToRelay(id=number, body=body))

    async def next(self):
        async with asyncio.timeout(60):
            received = await self.channel.receive()
        assert received is not None
        return received


@pytest.fixture
async def kernel(upstream):
    ours, theirs = pair()

    async def grant():
        return GRANT

    task = asyncio.create_task(KernelChannel(ours, upstream, grant).serve())
    kernel = Kernel(theirs)
    yield kernel
    kernel.channel.close()
    async with asyncio.timeout(60):
        await task


async def test_answers_find_their_questions_in_any_order(far, upstream):
    first = asyncio.create_task(upstream.request(State()))
    second = asyncio.create_task(upstream.request(State()))
    one, two = await far.next(), await far.next()
    await far.answer(two.id, Done())
    await far.answer(one.id, STATE)
    assert await first == (STATE, [])
    assert await second == (Done(), [])


async def test_an_error_comes_back_as_its_class(far, upstream):
    asked = asyncio.create_task(upstream.request(State()))
    await far.answer((await far.next()).id, error=RefusedError("no").to_wire())
    with pytest.raises(RefusedError, match="no"):
        await asked


async def test_a_broker_that_goes_fails_every_waiting_request(far, upstream):
    waiting = [asyncio.create_task(upstream.request(State())) for _ in range(3)]
    for _ in waiting:
        await far.next()
    far.channel.close()
    for answer in await asyncio.gather(*waiting, return_exceptions=True):
        assert type(answer) is UnavailableError
    with pytest.raises(UnavailableError):
        await upstream.request(State())


async def test_without_a_broker_a_request_fails_at_once():
    with pytest.raises(UnavailableError):
        await Upstream(lambda: None).request(State())


async def test_silence_ends_in_unavailable(far, upstream):
    with pytest.raises(UnavailableError):
        await upstream.request(State(), patience=0.01)


async def test_a_late_answer_loses_its_descriptor_and_nothing_else(far, upstream):
    with pytest.raises(UnavailableError):
        await upstream.request(State(), patience=0.01)
    late = await far.next()
    read, write = os.pipe()
    await far.answer(late.id, STATE, fds=(write,))
    os.close(write)
    asked = asyncio.create_task(upstream.request(State()))
    await far.answer((await far.next()).id, STATE)
    await asked
    assert os.read(read, 1) == b""  # every copy of the writing end is closed
    os.close(read)


async def test_the_broker_speaking_unasked_is_a_ping(far, upstream):
    await far.answer(0, Changed())
    asked = asyncio.create_task(upstream.request(State()))
    await far.answer((await far.next()).id, STATE)
    await asked
    assert upstream.pings == [1]


async def test_an_answer_without_a_body_is_an_error(far, upstream):
    asked = asyncio.create_task(upstream.request(State()))
    await far.answer((await far.next()).id)
    with pytest.raises(SecureError):
        await asked


async def test_a_kernels_request_goes_on_with_the_grant_of_its_channel(far, kernel):
    await kernel.ask(7, Catalog())
    arrived = await far.next()
    assert arrived.body == FromKernel(grant="g-1", request=Catalog())
    await far.answer(arrived.id, CatalogReply(offers=()))
    assert (await kernel.next())[0] == FromRelay(id=7, body=CatalogReply(offers=()))


async def test_progress_and_the_descriptor_arrive_in_order(far, kernel):
    await kernel.ask(7, Catalog())
    number = (await far.next()).id
    for rows in (1, 2):
        await far.answer(number, Progress(rows=rows, total=2))
    fd = seal_memory("view", b"sealed")
    await far.answer(number, CatalogReply(offers=()), fds=(fd,))
    os.close(fd)
    assert [(await kernel.next())[0].body.rows for _ in range(2)] == [1, 2]
    message, fds = await kernel.next()
    assert isinstance(message.body, CatalogReply)
    assert os.pread(fds[0], 10, 0) == b"sealed"
    os.close(fds[0])


async def test_an_error_reaches_the_kernel_with_its_sentence(far, kernel):
    await kernel.ask(7, Catalog())
    await far.answer((await far.next()).id, error=RefusedError().to_wire())
    message, _ = await kernel.next()
    assert message.id == 7
    assert message.error == RefusedError().to_wire()


async def test_a_dead_broker_answers_unavailable(far, kernel):
    far.channel.close()
    await asyncio.sleep(0.01)
    await kernel.ask(7, Catalog())
    message, _ = await kernel.next()
    assert message.error.code == UnavailableError.code


@pytest.mark.parametrize(
    "datagram",
    [
        b"\0not json",
        b"\0{}",
        b"\x01",
        b"\x02{}",
        b'\0{"id":1,"body":{"type":"Catalog"},"grant":"another"}',
        b'\0{"id":1,"body":{"type":"Catalog","user":"bob"}}',
        b'\0{"id":1,"body":{"type":"State"}}',
        b'\0{"id":1,"body":{"type":"FromKernel","grant":"g-2","request":{"type":"Catalog"}}}',
    ],
)
async def test_a_broken_datagram_is_answered_and_the_next_one_served(far, kernel, datagram):
    kernel.sock.send(datagram)
    message, _ = await kernel.next()
    assert (message.id, message.error.code) == (0, InvalidRequestError.code)
    await kernel.ask(8, Status())
    assert (await far.next()).body == FromKernel(grant="g-1", request=Status())


async def test_descriptors_sent_by_a_kernel_are_closed(far, kernel):
    read, write = os.pipe()
    socket.send_fds(kernel.sock, [b'\0{"id":1,"body":{"type":"Catalog"}}'], [write])
    os.close(write)
    await far.next()
    assert os.read(read, 1) == b""
    os.close(read)


async def test_a_kernel_has_a_bounded_number_of_requests_under_way(far, kernel):
    for number in range(1, AT_ONCE + 2):
        await kernel.ask(number, Catalog())
    message, _ = await kernel.next()
    assert (message.id, message.error.code) == (AT_ONCE + 1, InvalidRequestError.code)
    await far.answer((await far.next()).id, CatalogReply(offers=()))
    await kernel.next()
    await kernel.ask(99, Budget())
    for _ in range(AT_ONCE - 1):
        await far.next()
    assert isinstance((await far.next()).body.request, Budget)


@pytest.mark.parametrize("number", [0, 5])
async def test_a_number_in_use_is_refused(far, kernel, number):
    await kernel.ask(5, Catalog())
    await far.next()
    await kernel.ask(number, Catalog())
    message, _ = await kernel.next()
    assert (message.id, message.error.code) == (number, InvalidRequestError.code)


async def test_cancel_names_the_brokers_number(far, kernel):
    await kernel.ask(5, Catalog())
    number = (await far.next()).id
    await kernel.ask(6, Cancel(request=5))
    assert (await far.next()).body == FromKernel(grant="g-1", request=Cancel(request=number))


async def test_cancel_of_an_unknown_request_is_nothing(far, kernel):
    await kernel.ask(6, Cancel(request=99))
    await kernel.ask(7, Budget())
    arrived = await far.next()
    assert isinstance(arrived.body.request, Budget)
    await far.answer(arrived.id, BudgetReply(gauges=()))
    assert (await kernel.next())[0].id == 7


async def test_a_kernel_that_goes_cancels_what_it_asked(far, kernel):
    await kernel.ask(5, Catalog())
    number = (await far.next()).id
    kernel.channel.close()
    assert (await far.next()).body == FromKernel(grant="g-1", request=Cancel(request=number))


async def test_requests_wait_for_the_grant(far, upstream):
    ours, theirs = pair()
    minted = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(KernelChannel(ours, upstream, lambda: minted).serve())
    kernel = Kernel(theirs)
    await kernel.ask(1, Catalog())
    await asyncio.sleep(0.01)
    minted.set_result(GRANT)
    assert (await far.next()).body.grant == "g-1"
    kernel.channel.close()
    await task


async def test_cancel_needs_no_grant_and_ends_no_channel(far, upstream):
    ours, theirs = pair()
    answers = [GRANT]

    async def grant():
        if not answers:
            raise UnauthenticatedError
        return answers.pop()

    task = asyncio.create_task(KernelChannel(ours, upstream, grant).serve())
    kernel = Kernel(theirs)
    await kernel.ask(5, Catalog())
    number = (await far.next()).id
    await kernel.ask(6, Cancel(request=5))
    assert (await far.next()).body == FromKernel(grant="g-1", request=Cancel(request=number))
    await kernel.ask(7, Status())
    assert (await kernel.next())[0].error.code == UnauthenticatedError.code
    kernel.channel.close()
    await task


async def test_a_request_cancelled_while_it_waits_for_the_grant_is_never_made(far, upstream):
    ours, theirs = pair()
    minted = asyncio.Event()

    async def grant():
        await minted.wait()
        return GRANT

    task = asyncio.create_task(KernelChannel(ours, upstream, grant).serve())
    kernel = Kernel(theirs)
    await kernel.ask(1, Catalog())
    await kernel.ask(2, Cancel(request=1))
    await asyncio.sleep(0.05)
    minted.set()
    await kernel.ask(3, Status())
    assert (await far.next()).body.request == Status()
    kernel.channel.close()
    await task
