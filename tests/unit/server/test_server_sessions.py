"""Whose kernel is it: the registry, with a scripted broker."""

import asyncio
import logging

import pytest

from jupyter_secure.protocol.errors import GuardError, LockedError
from jupyter_secure.protocol.grant import Grant, GuardLevel, GuardReport
from jupyter_secure.protocol.messages import (
    Catalog,
    CatalogReply,
    CloseKernel,
    Done,
    FromKernel,
    FromRelay,
    MoveKernel,
    OpenKernel,
    ToRelay,
    Welcome,
)
from jupyter_secure.protocol.wire import Channel, Codec, pair
from jupyter_secure.server.host import KernelHost
from jupyter_secure.server.sessions import NOTEBOOK, Person, Sessions

REPORT = GuardReport(level=GuardLevel.G2)


class ScriptedUpstream:
    """Answers like a broker and remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.locked = False
        self.grants = {}

    async def request(self, body, **_):
        self.asked.append(body)
        if isinstance(body, OpenKernel):
            if self.locked:
                raise LockedError
            grant = Grant(
                id=f"g-{len(self.grants)}",
                user=body.ticket.removeprefix("t-"),
                kernel=body.kernel,
                notebook=body.notebook,
                guard=body.guard,
                issued_at=1,
                expires_at=2,
            )
            self.grants[grant.id] = grant
            return Welcome(grant=grant), []
        if isinstance(body, MoveKernel):
            old = self.grants[body.grant]
            self.grants[body.grant] = Grant(
                **{**{name: getattr(old, name) for name in old.__struct_fields__}, "notebook": body.notebook}
            )
            return Welcome(grant=self.grants[body.grant]), []
        if isinstance(body, FromKernel):
            return CatalogReply(offers=()), []
        return Done(), []

    async def tell(self, body):
        self.asked.append(body)

    def of(self, kind):
        return [body for body in self.asked if isinstance(body, kind)]


@pytest.fixture
def upstream():
    return ScriptedUpstream()


@pytest.fixture
def asking():
    return [Person("ann", "t-ann")]


@pytest.fixture
async def sessions(upstream, asking):
    sessions = Sessions(upstream, lambda: asking[-1], logging.getLogger("test"))
    yield sessions
    await sessions.close()


@pytest.fixture
def attach(sessions):
    ends = []

    def attach(kernel="k-1", notebook="a.ipynb"):
        ours, theirs = pair()
        ends.append(theirs)
        token = NOTEBOOK.set(notebook)
        try:
            KernelHost(("/vault",), "/srv/notebooks", sessions).attach(kernel, ours, REPORT, "/srv/notebooks/a.ipynb")
        finally:
            NOTEBOOK.reset(token)
            ours.close()  # as the guard does in the end; the relay must not notice
        return theirs

    yield attach
    for end in ends:
        end.close()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_kernel_belongs_to_who_started_it(sessions, attach, upstream):
    attach()
    await settle()
    assert sessions.owns("ann", "k-1")
    assert not sessions.owns("bob", "k-1")
    assert not sessions.owns("ann", "unknown")
    opened = upstream.of(OpenKernel)
    assert opened == [OpenKernel(ticket="t-ann", kernel="k-1", notebook="a.ipynb", guard=REPORT)]


async def test_a_kernel_started_by_nobody_is_refused(sessions, attach, asking):
    asking.append(None)
    with pytest.raises(GuardError):
        attach()
    assert sessions.get("k-1") is None


async def test_the_channel_works_with_the_grant(attach, upstream):
    channel = Channel(attach(), Codec(FromRelay), wanted=1)
    await channel.send(ToRelay(id=3, body=Catalog()))
    async with asyncio.timeout(60):
        message, _ = await channel.receive()
    assert message == FromRelay(id=3, body=CatalogReply(offers=()))
    assert upstream.of(FromKernel) == [FromKernel(grant="g-0", request=Catalog())]


async def test_an_automatic_restart_keeps_owner_and_notebook_and_gets_a_new_grant(sessions, attach, asking, upstream):
    end = attach()
    await settle()
    end.close()
    await settle()
    asking.append(None)
    attach(notebook="")
    await settle()
    assert sessions.owns("ann", "k-1")
    first, second = upstream.of(OpenKernel)
    assert first == second
    assert upstream.of(CloseKernel) == [CloseKernel(grant="g-0")]
    assert sessions.get("k-1").grant.id == "g-1"


async def test_somebody_else_cannot_take_a_kernel_over_by_restarting_it(sessions, attach, asking):
    attach()
    asking.append(Person("bob", "t-bob"))
    with pytest.raises(GuardError):
        attach()
    assert sessions.owns("ann", "k-1")


async def test_an_id_can_be_used_again_once_its_kernel_is_gone(sessions, attach, asking):
    attach()
    KernelHost((), "", sessions).detach("k-1")
    asking.append(Person("bob", "t-bob"))
    attach()
    assert sessions.owns("bob", "k-1")


async def test_the_grant_ends_with_the_channel(attach, upstream):
    end = attach()
    await settle()
    end.close()
    await settle()
    assert upstream.of(CloseKernel) == [CloseKernel(grant="g-0")]


async def test_a_kernel_that_dies_at_once_leaves_no_grant_behind(attach, upstream):
    attach().close()
    await settle()
    assert len(upstream.of(OpenKernel)) == len(upstream.of(CloseKernel))


async def test_a_renamed_notebook_is_followed(sessions, attach, upstream):
    attach()
    await settle()
    sessions.moved("k-1", "a.ipynb", "b.ipynb")
    await settle()
    assert upstream.of(MoveKernel) == [MoveKernel(grant="g-0", notebook="b.ipynb")]
    assert sessions.of_notebook("ann", "b.ipynb").kernel == "k-1"
    assert sessions.of_notebook("ann", "a.ipynb") is None


async def test_a_second_notebook_on_the_same_kernel_does_not_take_its_name(sessions, attach, upstream):
    attach()
    await settle()
    sessions.moved("k-1", "", "other.ipynb")
    await settle()
    assert upstream.of(MoveKernel) == []
    assert sessions.get("k-1").notebook == "a.ipynb"


async def test_a_kernel_without_a_notebook_takes_the_first_one(sessions, attach, upstream):
    attach(notebook="")
    await settle()
    sessions.moved("k-1", "", "first.ipynb")
    await settle()
    assert upstream.of(MoveKernel) == [MoveKernel(grant="g-0", notebook="first.ipynb")]


async def test_a_path_beyond_the_protocols_length_is_cut_and_not_sent_to_be_dropped(sessions, attach, upstream):
    attach(notebook="n" * 5000)
    await settle()
    assert len(upstream.of(OpenKernel)[0].notebook) == 1024


async def test_notebooks_of_others_are_not_found(sessions, attach):
    attach()
    assert sessions.of_notebook("bob", "a.ipynb") is None
    assert sessions.of_notebook("ann", "") is None


async def test_while_the_vault_is_locked_there_is_no_grant_and_later_there_is(sessions, attach, upstream):
    upstream.locked = True
    channel = Channel(attach(), Codec(FromRelay), wanted=1)
    await channel.send(ToRelay(id=3, body=Catalog()))
    async with asyncio.timeout(60):
        message, _ = await channel.receive()
    assert message.error.code == LockedError.code
    upstream.locked = False
    sessions.reopen()
    await settle()
    assert sessions.get("k-1").grant is not None


async def test_the_newest_ticket_of_the_owner_is_used(sessions, attach, upstream):
    upstream.locked = True
    attach()
    await settle()
    sessions.seen(Person("bob", "t-bob"), "k-1")
    sessions.seen(Person("ann", "t-ann-2"), "k-1")
    upstream.locked = False
    sessions.reopen()
    await settle()
    assert upstream.of(OpenKernel)[-1].ticket == "t-ann-2"


async def test_closing_ends_every_grant(sessions, attach, upstream):
    attach("k-1")
    attach("k-2")
    await settle()
    await sessions.close()
    assert {body.grant for body in upstream.of(CloseKernel)} == {"g-0", "g-1"}
