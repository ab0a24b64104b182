"""What changes while a request is under way, who else asks at the same time, and how each request ends in the log."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from jupyter_secure.broker.ledger.chain import Head
from jupyter_secure.broker.service.process import Process
from jupyter_secure.broker.store.database import transaction
from jupyter_secure.broker.views.delivery import TableSealer
from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.errors import ConflictError, IntegrityError, UnauthenticatedError, UnlockError
from jupyter_secure.protocol.messages import (
    Cancel,
    CloseKernel,
    Delivery,
    FromBroker,
    FromKernel,
    Hello,
    Load,
    PanelLineage,
    Query,
    State,
    StateReply,
    Status,
    ToBroker,
    Unlock,
)
from jupyter_secure.protocol.record import Header, Kind
from jupyter_secure.protocol.view import Rung
from jupyter_secure.protocol.wire import Channel, Codec, close_all, pair
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World

ROWS = 300_000  # more than a pipe holds, so that a worker waits for its reader
POLICY = """
[dataset.patients]
privacy_unit = "person"
bounds = { age = [0, 100] }

[dataset.patients.budget]
epsilon = "3.0"
person = "1.0"
default_query = "0.1"

[[rule]]
id = "scientists-see-raw"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"

[[rule]]
id = "engineers-see-some"
to = ["role:engineer"]
datasets = ["patients"]
view = "raw"
rows = [{ column = "age", op = "lt", value = 10 }]

[[rule]]
id = "both-ask"
to = ["role:scientist", "role:engineer"]
datasets = ["patients"]
view = "dp"
"""
QUESTION = '{"v":1,"dataset":"patients","aggs":[{"op":"count"}]}'


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        for name, role in [
            ("ann", "scientist"),
            ("sam", "scientist"),
            ("tim", "scientist"),
            ("bob", "engineer"),
            ("olaf", "officer"),
        ]:
            world.person(name, role)
        table = pa.table({"person": [f"p{n}" for n in range(ROWS)], "age": [n % 90 for n in range(ROWS)]})
        world.seal(table, tags={"person": Tag.DIRECT, "age": Tag.QUASI})
        world.apply(POLICY)
        yield world
        ended = endings(world)
        world.verify()
        assert None not in ended.values(), ended


def endings(world):
    """How each permitted request ended: by request, the kind and the error of its last entry, None if it did not."""
    ended = {}
    for entry in reversed(world.vault.audit.entries(limit=None)):
        header = entry.header
        if header.kind in {Kind.LOAD_DECIDED, Kind.QUERY_DECIDED} and header.outcome == "permitted":
            ended[header.request] = (header.kind, "preview") if "preview" in header.extra else None
        elif header.request in ended:
            ended[header.request] = (header.kind, header.error)
    return ended


@contextlib.contextmanager
def locked_store(world):
    """Hold the store's write lock, as a command in another process may for a while."""
    held, release = threading.Event(), threading.Event()

    def hold():
        with transaction(world.vault.engine):
            held.set()
            release.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    try:
        yield
    finally:
        release.set()
        thread.join()


class Unread:
    """A load of a kernel that never reads what it is given."""

    def __init__(self, kernel):
        self.fd = None
        self.begun = asyncio.Event()
        request = FromKernel(grant=kernel.grant, request=Load(dataset="patients"))
        self.task = asyncio.create_task(kernel.desk.answer(request, self._keep))

    async def _keep(self, _message, fd):
        self.fd = os.dup(fd)
        self.begun.set()

    async def give_up(self):
        if self.fd is None:
            self.task.cancel()
        else:
            os.close(self.fd)
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_request_cancelled_while_its_decision_is_written_ends_in_the_log(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        for request in (Load(dataset="patients"), Load(dataset="patients", rung=Rung.DP), Query(question=QUESTION)):
            with locked_store(world):
                asked = asyncio.create_task(kernel.fetch(request))
                await asyncio.sleep(0.1)
                asked.cancel()
                asked.cancel()
                await asyncio.sleep(0.05)
            with pytest.raises(asyncio.CancelledError):
                await asked
    assert set(endings(world).values()) == {(Kind.LOAD_FAILED, "cancelled"), (Kind.QUERY_FAILED, "cancelled")}


@pytest.mark.parametrize("repeated", [False, True])
async def test_a_question_cancelled_while_its_answer_is_sealed_leaves_no_descriptor(world, monkeypatch, repeated):
    seal = TableSealer.seal
    sealing, release, sealed, before = threading.Event(), threading.Event(), threading.Event(), answers_held()

    def slowly(*arguments):
        sealing.set()
        assert release.wait(8)
        answer = seal(*arguments)
        sealed.set()
        return answer

    async with world.desk() as front:
        kernel = await front.kernel("ann")
        if repeated:
            await kernel.fetch(Query(question=QUESTION))
        monkeypatch.setattr(TableSealer, "seal", slowly)
        asked = asyncio.create_task(kernel.fetch(Query(question=QUESTION)))
        assert await asyncio.to_thread(sealing.wait, 8)
        asked.cancel()
        await asyncio.sleep(0.05)
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert await asyncio.to_thread(sealed.wait, 8)
    assert answers_held() <= before
    assert (Kind.QUERY_FAILED, "cancelled") in endings(world).values()


def answers_held():
    """How many sealed answers this process holds; kernels of other tests may have some that nobody opened."""
    held = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            held.append(str(fd.readlink()))
    return sum(place.startswith("/memfd:answer") for place in held)


async def test_handles_and_previews_end_in_the_log_and_are_no_flow_of_data(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        await kernel.ask(Load(dataset="patients", rung=Rung.DP))
        await kernel.ask(Query(question=QUESTION, preview=True))
        graph = (await front.ask(PanelLineage(ticket=kernel.ticket, notebook="study.ipynb"))).graph
    assert list(endings(world).values()) == [(Kind.LOAD_DELIVERED, None), (Kind.QUERY_DECIDED, "preview")]
    assert graph.nodes == ()


async def test_a_handle_that_cannot_be_made_ends_in_the_log(world):
    anchor = {"head": str(Head(99, "00" * 32))}  # the log has seen more of the ledger than there is
    world.vault.audit.append(Header(time=1, kind=Kind.LEDGER_ANCHORED, outcome="done", extra=anchor))
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        with pytest.raises(IntegrityError):
            await kernel.ask(Load(dataset="patients", rung=Rung.DP))
    assert list(endings(world).values()) == [(Kind.LOAD_FAILED, "integrity")]


NARROWER = POLICY.replace('view = "raw"', 'view = "masked"\nmask = { direct = "pseudonym", quasi = "generalize" }')
NO_QUESTIONS = POLICY.replace('id = "both-ask"', 'id = "both-ask"\nwhen = { guard = "G4" }')
LOAD, QUERY = Load(dataset="patients"), Query(question=QUESTION)
REVOCATIONS = [
    (LOAD, ConflictError, lambda world, _: world.accounts.set_roles("ann", ["engineer"])),
    (LOAD, ConflictError, lambda world, _: world.apply(NARROWER)),
    (LOAD, UnauthenticatedError, lambda world, _: world.accounts.disable("ann")),
    (LOAD, UnauthenticatedError, lambda world, kernel: kernel.desk.grants.close(kernel.grant)),
    (QUERY, ConflictError, lambda world, _: world.accounts.set_roles("ann", [])),
    (QUERY, ConflictError, lambda world, _: world.apply(NO_QUESTIONS)),
    (QUERY, UnauthenticatedError, lambda world, _: world.accounts.disable("ann")),
]


@pytest.mark.parametrize(("request_made", "error", "revoke"), REVOCATIONS)
async def test_what_is_taken_away_while_a_request_waits_does_not_cross(world, request_made, error, revoke):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        holding = [Unread(await front.kernel(name)) for name in ("sam", "tim")]
        for one in holding:
            await one.begun.wait()
        asked = asyncio.create_task(kernel.fetch(request_made))
        await asyncio.sleep(0.2)
        revoke(world, kernel)
        for one in holding:
            await one.give_up()
        with pytest.raises(error):
            await asked


async def test_a_kernel_that_does_not_read_holds_one_worker_and_nobody_elses(world):
    async with world.desk() as front:
        greedy = [await front.kernel("ann") for _ in range(2)]
        loads = [Unread(kernel) for kernel in greedy for _ in range(3)]
        waiting = [asyncio.create_task(load.begun.wait()) for load in loads]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)  # whichever has its turn first
        async with asyncio.timeout(60):
            _, table = await (await front.kernel("sam")).fetch(Load(dataset="patients"))
        assert table.num_rows == ROWS
        assert sum(load.begun.is_set() for load in loads) == 1
        for task in waiting:
            task.cancel()
        for load in sorted(loads, key=lambda load: load.begun.is_set()):
            await load.give_up()


async def test_a_command_that_holds_the_store_stalls_nobody_who_only_reads(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        with locked_store(world):
            waiting = [
                asyncio.create_task(kernel.ask(request))
                for request in (Hello(public_key=kernel.public_key), Load(dataset="patients", rung=Rung.DP))
            ]
            await asyncio.sleep(0.05)
            async with asyncio.timeout(30):
                assert isinstance(await front.ask(State()), StateReply)
                await kernel.ask(Status())
            assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)


async def test_the_number_of_all_rows_is_not_told_to_whom_policy_gives_some(world):
    async with world.desk() as front:
        kernel = await front.kernel("bob")
        message, table = await kernel.fetch(Load(dataset="patients"))
        await kernel.fetch(Query(question=QUESTION))
        graph = (await front.ask(PanelLineage(ticket=kernel.ticket, notebook="study.ipynb"))).graph
    assert 0 < table.num_rows < ROWS
    assert message.rows == 0
    assert not any(str(ROWS) in value for node in graph.nodes for value in node.detail.values())


async def test_the_end_of_a_disabled_persons_kernel_is_logged_and_its_grant_closed(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        world.accounts.disable("ann")
        await front.ask(CloseKernel(grant=kernel.grant))
        await front.ask(CloseKernel(grant=kernel.grant))
        assert front.desk.grants.close(kernel.grant) is None
    stopped = world.vault.audit.entries(kinds=(Kind.KERNEL_STOPPED,))
    assert [entry.personal.user for entry in stopped] == ["ann"]


async def test_the_passphrase_cannot_be_guessed_through_the_panel(world):
    async with world.desk() as front:
        ticket = await front.login("bob")
        said = []
        for _ in range(8):
            with pytest.raises(UnlockError) as caught:
                await front.ask(Unlock(passphrase="a guess", ticket=ticket))
            said.append(str(caught.value))
        with pytest.raises(UnlockError, match="Try again in"):
            await front.ask(Unlock(passphrase=PASSPHRASE, ticket=ticket))
        front.desk.vault.now.pass_time(301)
        await front.ask(Unlock(passphrase=PASSPHRASE, ticket=ticket))
    assert [sentence for sentence in said if "Try again in" in sentence] == said[5:]
    failed = world.vault.audit.entries(kinds=(Kind.VAULT_UNLOCK_FAILED,))
    assert [entry.personal.user for entry in failed] == ["bob"] * 5


class Relay:
    """The relay's end of a broker's socket."""

    def __init__(self, sock):
        self.channel = Channel(sock, Codec(FromBroker), wanted=1)

    async def tell(self, number, body):
        await self.channel.send(ToBroker(id=number, body=body))

    async def next(self, number):
        async with asyncio.timeout(60):
            while True:
                message, fds = await self.channel.receive()
                if message.id == number:
                    return message, fds
                close_all(fds)


@contextlib.asynccontextmanager
async def served(front):
    ours, theirs = pair()
    relay = Relay(ours)
    running = asyncio.create_task(Process(Channel(theirs, Codec(ToBroker))).run(front.desk))
    try:
        yield relay
    finally:
        relay.channel.close()
        async with asyncio.timeout(60):
            await running


async def test_nobody_cancels_what_another_kernel_asked(world):
    async with world.desk() as front:
        ann, bob = await front.kernel("ann"), await front.kernel("bob")
        async with served(front) as relay:
            await relay.tell(7, FromKernel(grant=ann.grant, request=Load(dataset="patients")))
            await relay.tell(8, FromKernel(grant=bob.grant, request=Cancel(request=7)))
            message, fds = await relay.next(7)
            assert isinstance(message.body, Delivery)
            await relay.tell(7, FromKernel(grant=bob.grant, request=Status()))
            assert (await relay.next(7))[0].error.code == "invalid"
            await relay.tell(9, FromKernel(grant=ann.grant, request=Cancel(request=7)))
            assert (await relay.next(7))[0].error.code == "cancelled"
            close_all(fds)


async def test_a_relay_that_dies_in_the_middle_of_a_load_leaves_its_end_in_the_log(world):
    async with world.desk() as front:
        kernel = await front.kernel("ann")
        async with served(front) as relay:
            await relay.tell(1, FromKernel(grant=kernel.grant, request=Load(dataset="patients")))
            _, fds = await relay.next(1)
            await relay.tell(2, FromKernel(grant=kernel.grant, request=Load(dataset="patients")))
            await asyncio.sleep(0.1)
        close_all(fds)
    assert list(endings(world).values()) == [(Kind.LOAD_FAILED, "cancelled")] * 2


async def test_a_broker_that_is_told_to_end_says_so_in_the_log(world):
    ours, theirs = pair()
    command = [sys.executable, "-I", "-m", "jupyter_secure.broker", "--fd", str(theirs.fileno()), "--vault"]
    broker = await asyncio.create_subprocess_exec(*command, str(world.path), pass_fds=[theirs.fileno()])
    theirs.close()
    relay = Relay(ours)
    await relay.tell(1, State())
    await relay.next(1)
    broker.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        assert await broker.wait() == 0
    relay.channel.close()
    assert world.vault.audit.entries(limit=1)[0].header.kind is Kind.BROKER_STOPPED
