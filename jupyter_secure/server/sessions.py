"""Which kernel is whose, for which notebook, how confined, under which grant.

These are the server's own records; a kernel is never asked about itself. Promises: a kernel belongs to the person whose
request started it, for as long as it lives, through restarts; nobody's request started it, then it does not start; each
process of a kernel has a channel and a grant of its own; a renamed notebook is followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from jupyter_secure.protocol.errors import GuardError, SecureError, UnavailableError
from jupyter_secure.protocol.grant import Grant, GuardReport
from jupyter_secure.protocol.messages import (
    CloseKernel,
    Connect,
    MoveKernel,
    Network,
    NetworkReply,
    OpenKernel,
    Welcome,
)

from .relay import KernelChannel
from .upstream import Upstream

# Set around the start of a kernel for a session, read when its channel is attached: the path below the root folder.
NOTEBOOK: contextvars.ContextVar[str] = contextvars.ContextVar("jupyter_secure_notebook", default="")
PATIENCE = 30.0  # seconds
Review = Callable[[], Awaitable[None]]
Ask = Callable[[str, int, bool], Awaitable[None]]  # host, port, whether the connection stands already
LONGEST_PATH = 1024  # what protocol.noun.NotebookPath admits
_NOBODY = "A kernel starts only for a person who is logged in."
_NOT_YOURS = "That kernel belongs to somebody else."


@dataclass(frozen=True)
class Person:
    """Whose request it is: account name and ticket."""

    name: str
    ticket: str = field(repr=False)


@dataclass
class KernelSession:
    """One process of one kernel."""

    kernel: str
    owner: str
    ticket: str = field(repr=False)
    notebook: str
    report: GuardReport
    grant: Grant | None = None
    ended: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sessions:
    """The registry.

    Args:
        upstream: the broker.
        asking: returns the person of the request under way, None outside a request.
        log: for the operator.
    """

    def __init__(self, upstream: Upstream, asking: Callable[[], Person | None], log: logging.Logger) -> None:
        self._upstream = upstream
        self._asking = asking
        self._log = log
        self._kernels: dict[str, KernelSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reviews: dict[str, Review] = {}

    def attach(self, kernel: str, channel: socket.socket, report: GuardReport) -> None:
        """Take over the relay's end of a kernel that was just launched, in the context of the request that did it.

        A second call for one kernel is its restart.

        Raises:
            GuardError: it was started by nobody, or restarted by somebody else.
        """
        # The launcher may close its own object for the socket later; the descriptor is ours from here on.
        own = socket.socket(fileno=channel.detach())
        try:
            session = self._admit(kernel, report)
        except GuardError:
            own.close()
            raise
        self._kernels[kernel] = session
        relay = KernelChannel(own, self._upstream, lambda: self.grant(session), self._reviews.get(kernel))
        self._spawn(self._live(session, relay))
        self._spawn(self._settle(session))

    async def egress(self, kernel: str, review: Review) -> Ask | None:
        """Return what asks the broker about one connection; None where policy gives the person who asks no host.

        From then on `review` is awaited before the kernel is handed a view.
        """
        self._reviews.pop(kernel, None)
        before = self._kernels.get(kernel)
        person = self._asking() or (Person(before.owner, before.ticket) if before else None)
        if person is None:
            return None
        try:
            reply, _ = await self._upstream.request(Network(ticket=person.ticket), patience=PATIENCE)
        except SecureError as error:
            self._log.info("kernel %s starts without a network: %s", kernel, error.public)
            return None
        if not isinstance(reply, NetworkReply) or not reply.hosts:
            return None
        self._reviews[kernel] = review
        return functools.partial(self._connect, kernel)

    def get(self, kernel: str) -> KernelSession | None:
        """Return the record of a kernel."""
        return self._kernels.get(kernel)

    def owns(self, user: str, kernel: str) -> bool:
        """Say whether a kernel is that person's; an unknown kernel is nobody's."""
        session = self._kernels.get(kernel)
        return session is not None and session.owner == user

    def of_notebook(self, user: str, notebook: str) -> KernelSession | None:
        """Return the person's kernel for a notebook, the newest if there are several."""
        mine = [session for session in self._kernels.values() if session.owner == user and notebook]
        return next((session for session in reversed(mine) if session.notebook == notebook), None)

    def seen(self, person: Person, kernel: str) -> None:
        """Remember the owner's newest ticket, so that a grant still to be minted is asked for with one that holds."""
        if self.owns(person.name, kernel):
            self._kernels[kernel].ticket = person.ticket

    def moved(self, kernel: str, old: str, new: str) -> None:
        """Follow a notebook: renamed, or the first one to use a kernel that had none."""
        session = self._kernels.get(kernel)
        if session is not None and session.notebook == old != new:
            session.notebook = new[:LONGEST_PATH]
            self._spawn(self._settle(session))

    def forget(self, kernel: str) -> None:
        """The kernel is gone for good; its grant ends with its channel."""
        self._kernels.pop(kernel, None)
        self._reviews.pop(kernel, None)

    def reopen(self) -> None:
        """Ask again for every grant that could not be minted, for example because the vault was locked."""
        for session in self._kernels.values():
            if session.grant is None:
                self._spawn(self._settle(session))

    async def grant(self, session: KernelSession) -> Grant:
        """Return the grant, minted and moved as needed.

        Raises:
            SecureError: the broker does not give one now; the next call asks again.
        """
        async with session.lock:
            if session.ended:
                raise UnavailableError("That kernel has ended.")
            if session.grant is None:
                body = OpenKernel(
                    ticket=session.ticket, kernel=session.kernel, notebook=session.notebook, guard=session.report
                )
                session.grant = await self._welcome(body)
            if session.grant.notebook != session.notebook:
                session.grant = await self._welcome(MoveKernel(grant=session.grant.id, notebook=session.notebook))
            return session.grant

    async def close(self) -> None:
        """End all channels and grants."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _admit(self, kernel: str, report: GuardReport) -> KernelSession:
        before = self._kernels.get(kernel)
        person = self._asking()
        if before is not None:
            # Jupyter restarts a dead kernel by itself, outside any request; the owner stays who he was.
            person = person or Person(before.owner, before.ticket)
            if person.name != before.owner:
                raise GuardError(_NOT_YOURS)
            return KernelSession(kernel, person.name, person.ticket, before.notebook, report)
        if person is None:
            raise GuardError(_NOBODY)
        return KernelSession(kernel, person.name, person.ticket, NOTEBOOK.get()[:LONGEST_PATH], report)

    async def _connect(self, kernel: str, host: str, port: int, again: bool) -> None:  # as `Ask` says
        session = self._kernels.get(kernel)
        if session is None:
            raise UnavailableError("That kernel has ended.")
        grant = await self.grant(session)
        body = Connect(grant=grant.id, host=host, port=port, again=again)
        await self._upstream.request(body, patience=PATIENCE)

    async def _live(self, session: KernelSession, relay: KernelChannel) -> None:
        try:
            await relay.serve()
        finally:
            session.ended = True
            async with session.lock:  # a grant that is being minted is waited for, so that it is closed too
                if session.grant is not None:
                    with contextlib.suppress(SecureError):
                        await self._upstream.request(CloseKernel(grant=session.grant.id), patience=PATIENCE)

    async def _settle(self, session: KernelSession) -> None:
        try:
            await self.grant(session)
        except SecureError as error:
            self._log.info("kernel %s has no grant yet: %s", session.kernel, error.public)

    async def _welcome(self, body: OpenKernel | MoveKernel) -> Grant:
        reply, _ = await self._upstream.request(body, patience=PATIENCE)
        if not isinstance(reply, Welcome):
            raise SecureError(detail=f"{type(reply).__name__} instead of a grant")
        return reply.grant

    def _spawn(self, work: Any) -> None:
        # A fresh context: background work must not count as the request that happened to cause it.
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
