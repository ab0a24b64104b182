"""A whole broker in a temporary folder: vault, people, a sealed dataset, a policy, and the desk that answers.

For tests of this project and of those who build on it. Nothing in it is a stand-in but the clock and the cost of
password hashing: keys, files, workers, log and ledger are the real ones. `verify` checks all of the log and the
ledger; a fixture that hands out a world calls it at teardown.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
from sqlalchemy import event

from jupyter_secure.broker.audit.verify import verify as verify_log
from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.authn.passwords import Cost
from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.ledger.verify import verify as verify_ledger
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.service.desk import Desk
from jupyter_secure.broker.vault import Vault
from jupyter_secure.kernel.opener import KernelKey, open_view
from jupyter_secure.protocol.dataset import DatasetVersion, Measure, Tag
from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.grant import GuardLevel, GuardReport
from jupyter_secure.protocol.messages import (
    Answer,
    Delivery,
    FromKernel,
    Hello,
    KernelRequest,
    Login,
    OpenKernel,
    RelayReply,
    RelayRequest,
    Session,
    Welcome,
)

from .sealed_data import PASSPHRASE, TableSource
from .unsafe_keys import UnsafePassphraseProvider

PASSWORD = "a password for tests"  # noqa: S105  # opens nothing but this folder
CHEAP = Cost(memory=8, passes=1, lanes=1)
START = 1_790_000_000_000  # milliseconds since 1970


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: int = START) -> None:
        self.now_ms = now

    def __call__(self) -> int:
        """Return milliseconds since 1970."""
        return self.now_ms

    def pass_time(self, seconds: float) -> None:
        """Move on."""
        self.now_ms += int(seconds * 1000)


class World:
    """One vault, unlocked; its database is a file, or a migrated empty one elsewhere."""

    def __init__(self, folder: Path, clock: Clock | None = None, database_url: str | None = None) -> None:
        self.clock = clock or Clock()
        self.path = folder / "vault"
        self.vault = Vault.create(self.path, PASSPHRASE, UnsafePassphraseProvider.scheme, self.clock, database_url)
        self.accounts = Accounts(self.vault.engine, self.clock, CHEAP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.vault.close()

    def person(self, name: str, *roles: str) -> None:
        """Add an account."""
        self.accounts.add(name, PASSWORD, roles, name.title())

    def seal(
        self,
        table: pa.Table,
        name: str = "patients",
        tags: Mapping[str, Tag | None] | None = None,
        measure: Measure | None = None,
    ) -> DatasetVersion:
        """Seal a table as the next version of a dataset."""
        return self.vault.seal(TableSource(table), name, tags or {}, measure=measure)

    def apply(self, policy: str) -> None:
        """Put a policy in force."""
        Policies(self.vault).apply(policy)

    @contextlib.asynccontextmanager
    async def desk(self) -> AsyncIterator[Front]:
        """Open the desk over the same folder, as the broker's process does, and unlock it."""

        async def changed(notebook: str | None, user: str | None = None) -> None:
            del user
            front.changes.append(notebook)

        async with Desk.open(str(self.path), changed, now=self.clock) as desk:
            front = Front(desk)
            desk.vault.unlock(PASSPHRASE)
            yield front

    def verify(self) -> None:
        """Check every entry of log and ledger.

        Raises:
            AssertionError: the log does not verify.
            IntegrityError: the ledger does not.
        """
        self.vault.audit.checkpoint()
        report = verify_log(self.vault.engine, self.vault.verifier(Purpose.LOG).public)
        assert report.verified, report.problems
        verify_ledger(self.vault.engine)


@contextlib.contextmanager
def full_disk(vault: Vault) -> Iterator[None]:
    """Let the SQLite database of a vault grow no more, which is what a full disk looks like from there."""
    with vault.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    def limit(dbapi: Any, _record: object) -> None:
        dbapi.execute(f"PRAGMA max_page_count={pages}")

    vault.engine.dispose()
    event.listen(vault.engine, "connect", limit)
    try:
        yield
    finally:
        event.remove(vault.engine, "connect", limit)
        vault.engine.dispose()


class Front:
    """The desk, and the kernels that were opened at it.

    Attributes:
        changes: what the desk said has changed.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.changes: list[str | None] = []

    async def ask(self, body: RelayRequest) -> Any:
        """Ask as the relay does; return the reply, or raise the error."""
        replies: list[RelayReply] = []

        async def reply(message: RelayReply, fd: int | None = None) -> None:
            assert fd is None
            replies.append(message)

        await self.desk.answer(body, reply)
        return replies[-1]

    async def login(self, name: str) -> str:
        """Return a ticket."""
        session = await self.ask(Login(user=name, password=PASSWORD))
        assert isinstance(session, Session)
        return session.ticket

    async def kernel(self, name: str, notebook: str = "study.ipynb", level: GuardLevel = GuardLevel.G3) -> Kernel:
        """Open a kernel for a person, as the relay does after a start."""
        ticket = await self.login(name)
        number = f"kernel-of-{name}-{os.urandom(4).hex()}"
        welcome = await self.ask(
            OpenKernel(ticket=ticket, kernel=number, notebook=notebook, guard=GuardReport(level=level))
        )
        assert isinstance(welcome, Welcome)
        kernel = Kernel(self.desk, welcome.grant.id, ticket)
        await kernel.ask(Hello(public_key=kernel.public_key))
        return kernel


class Kernel:
    """The far end of a channel: what a kernel can ask, and open."""

    def __init__(self, desk: Desk, grant: str, ticket: str) -> None:
        self.desk = desk
        self.grant = grant
        self.ticket = ticket
        self.key = KernelKey()

    @property
    def public_key(self) -> str:
        """The key in base64."""
        return base64.b64encode(self.key.public_bytes).decode()

    async def ask(self, request: KernelRequest) -> Any:
        """Ask something that comes without a descriptor."""
        message, table = await self.fetch(request)
        assert table is None
        return message

    async def fetch(self, request: KernelRequest) -> tuple[Any, pa.Table | None]:
        """Ask; return the message and the opened table, if one came."""
        replies: list[tuple[RelayReply, pa.Table | None]] = []

        async def reply(message: RelayReply, fd: int | None = None) -> None:
            table = None
            if fd is not None:
                assert isinstance(message, Delivery | Answer)
                table = await _open(os.dup(fd), message, self.key)
            replies.append((message, table))

        await self.desk.answer(FromKernel(grant=self.grant, request=request), reply)
        if not replies:
            raise SecureError(detail="no reply")
        return replies[-1]


async def _open(fd: int, message: Delivery | Answer, key: KernelKey) -> pa.Table:
    try:
        return await asyncio.to_thread(open_view, fd, message.seal, message.info, key)
    finally:
        os.close(fd)
