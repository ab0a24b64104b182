"""Grants of kernels, as docs/spec/grant-v1.md describes them.

Promises: a grant is bound to one person, kernel, notebook and measured guard level, on a Hub also to one server; a
kernel's public key is bound once and never exchanged; a grant that has expired, was closed or whose account was
disabled is refused like one that never was; a new grant for the same kernel closes the person's older ones, because a
restarted kernel is another process.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from jupyter_secure.broker.store.database import reading, transaction
from jupyter_secure.broker.store.prepared import Prepared
from jupyter_secure.broker.store.tables.grants import GRANTS
from jupyter_secure.protocol.errors import ConflictError, InvalidRequestError, UnauthenticatedError
from jupyter_secure.protocol.grant import Grant, GuardReport
from jupyter_secure.protocol.noun import KernelId, NotebookPath
from jupyter_secure.protocol.principal import Principal

from .accounts import active

LIFETIME = 24 * 3600 * 1000  # milliseconds: outlives a working day, not a forgotten kernel
_NAMED = Prepared(select(GRANTS).where(GRANTS.c.id == bindparam("grant")))  # asked twice in each request
_ENDED = "This kernel's grant has ended. Restart the kernel; if that does not help, log in again."


class Shown(NamedTuple):
    """A grant that holds, the key bound to it (None before the kernel's `Hello`), and whom `admit` named."""

    grant: Grant
    public_key: str | None
    holder: Principal | None


class Grants:
    """The grants of one vault.

    Args:
        engine: the vault's database.
        now: milliseconds since 1970.
        admit: names a person, or raises `UnauthenticatedError` for one without a place in the store; on a Hub there are
            no accounts, and it names nobody.
    """

    def __init__(
        self, engine: Engine, now: Callable[[], int], admit: Callable[[Connection, str], Principal | None] = active
    ) -> None:
        self._engine = engine
        self._now = now
        self._admit = admit

    def mint(self, user: str, kernel: str, notebook: str, guard: GuardReport, server: str | None = None) -> Grant:
        """Make a grant for a kernel that was just started.

        Raises:
            UnauthenticatedError: the account is not active.
            InvalidRequestError: kernel or notebook is not a name.
        """
        now = self._now()
        grant = _grant(
            id=secrets.token_hex(16),
            user=user,
            kernel=kernel,
            notebook=notebook,
            guard=guard,
            issued_at=now,
            expires_at=now + LIFETIME,
            server=server,
        )
        with transaction(self._engine) as connection:
            self._admit(connection, user)
            _close(connection, now, GRANTS.c.kernel == kernel, GRANTS.c.user == user)
            connection.execute(insert(GRANTS), _to_row(grant))
        return grant

    def get(self, grant: str) -> Grant:
        """Return a grant that holds now.

        Raises:
            UnauthenticatedError: it never was, has expired, was closed, or its account is not active.
        """
        with self._engine.connect() as connection:
            return self._live(connection, grant).grant

    def find(self, grant: str) -> Grant | None:
        """Return a grant that was not closed, whatever else has become of it."""
        open_one = select(GRANTS).where(GRANTS.c.id == grant, GRANTS.c.closed.is_(None))
        with self._engine.connect() as connection:
            row = connection.execute(open_one).mappings().first()
        return None if row is None else _from_row(dict(row))

    def bind_key(self, grant: str, public_key: str) -> Grant:
        """Bind the kernel's ephemeral X25519 key (base64 of 32 bytes). The same key again changes nothing.

        Raises:
            UnauthenticatedError: the grant does not hold.
            InvalidRequestError: that is not a key.
            ConflictError: another key is bound already.
        """
        _require_key(public_key)
        with transaction(self._engine) as connection:
            live, bound, _ = self._live(connection, grant)
            if bound not in {None, public_key}:
                raise ConflictError("This kernel has shown another key before. Restart it to begin anew.")
            connection.execute(update(GRANTS).where(GRANTS.c.id == grant).values(public_key=public_key))
        return live

    def shown(self, grant: str) -> Shown:
        """Return a grant as `get` does, with what was read beside it."""
        with reading(self._engine) as connection:
            return self._live(connection, grant)

    def move(self, grant: str, notebook: str) -> Grant:
        """Follow a renamed notebook.

        Raises:
            UnauthenticatedError: the grant does not hold.
            InvalidRequestError: the path is too long.
        """
        with transaction(self._engine) as connection:
            live = self._live(connection, grant).grant
            moved = _grant(**{**msgspec.structs.asdict(live), "notebook": notebook})
            connection.execute(update(GRANTS).where(GRANTS.c.id == grant).values(notebook=moved.notebook))
        return moved

    def held_before(self, user: str, moment: int) -> bool:
        """Say whether a kernel of the person's runs, or may run still, on a grant from before a moment (in ms)."""
        running = GRANTS.c.closed.is_(None) & (GRANTS.c.expires > self._now())
        query = select(GRANTS.c.id).where(GRANTS.c.user == user, GRANTS.c.issued < moment, running).limit(1)
        with self._engine.connect() as connection:
            return connection.execute(query).first() is not None

    def close(self, grant: str) -> Grant | None:
        """End a grant, whatever has become of its account; return it, or None if there was nothing to end."""
        with transaction(self._engine) as connection:
            open_one = select(GRANTS).where(GRANTS.c.id == grant, GRANTS.c.closed.is_(None))
            row = connection.execute(open_one).mappings().first()
            _close(connection, self._now(), GRANTS.c.id == grant)
        return None if row is None else _from_row(dict(row))

    def _live(self, connection: Connection, grant: str) -> Shown:
        row = _NAMED.first(connection, grant=grant)
        if row is None or row.closed is not None or row.expires <= self._now():
            raise UnauthenticatedError(_ENDED)
        try:
            holder = self._admit(connection, row.user)
        except UnauthenticatedError:
            raise UnauthenticatedError(_ENDED) from None
        return Shown(_from_row(row._asdict()), row.public_key, holder)


def _grant(*, kernel: str, notebook: str, **fields: Any) -> Grant:
    try:
        msgspec.convert(kernel, KernelId)
        msgspec.convert(notebook, NotebookPath)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(detail=str(error)) from None
    return Grant(kernel=kernel, notebook=notebook, **fields)


def _to_row(grant: Grant) -> dict[str, Any]:
    fields = {name: getattr(grant, name) for name in ("id", "user", "kernel", "notebook", "server")}
    guard = msgspec.to_builtins(grant.guard)
    return {**fields, "guard": guard, "issued": grant.issued_at, "expires": grant.expires_at}


def _from_row(row: dict[str, Any]) -> Grant:
    return Grant(
        id=row["id"],
        user=row["user"],
        kernel=row["kernel"],
        notebook=row["notebook"],
        guard=msgspec.convert(row["guard"], GuardReport),
        issued_at=row["issued"],
        expires_at=row["expires"],
        server=row["server"],
    )


def _close(connection: Connection, now: int, *which: Any) -> None:
    connection.execute(update(GRANTS).where(*which, GRANTS.c.closed.is_(None)).values(closed=now))


def _require_key(public_key: str) -> None:
    """Refuse what nothing could be sealed to: also a point of low order (RFC 7748, section 6.1)."""
    try:
        key = X25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        X25519PrivateKey.generate().exchange(key)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise InvalidRequestError("The kernel showed something that is not an X25519 key.") from None
