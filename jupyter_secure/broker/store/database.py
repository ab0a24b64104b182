"""Opening, migrating and writing the database; SQLite's settings stand here, PostgreSQL's in `postgres`.

Promises of both: a transaction that has committed survives a power cut; writers of all processes take turns and wait
`BUSY_MS` at most, on SQLite all of them (`BEGIN IMMEDIATE`), on PostgreSQL those of one family; references between
tables hold. On SQLite deleted content is overwritten too (secure_delete). SQLAlchemy is imported by the functions, so
naming this module costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError

from . import postgres

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

Result = TypeVar("Result")
BUSY_MS = 10_000
_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
    "PRAGMA trusted_schema=OFF",
)
_IMMEDIATE = "jupyter_secure_immediate"
_NEWER = "The database was made by a newer version of jupyter-secure. Install that version here too."


class _Moments(threading.local):
    """Which connection a thread reads on just now."""

    def __init__(self) -> None:
        self.given: dict[Engine, Connection] = {}


_moments = _Moments()


class Family(enum.IntEnum):
    """Which nouns a transaction writes. Families do not wait for one another, so none reads what another writes."""

    PEOPLE = 1  # accounts, tickets, grants, and whatever names no family of its own
    AUDIT = 2
    LEDGER = 3
    KEYS = 4
    SEALED = 5
    POLICY = 6
    SCHEMA = 7


def open_database(url: str) -> Engine:
    """Return an engine for `sqlite:///PATH`, `sqlite://` (in memory, for tests) or a PostgreSQL URL.

    A new SQLite file is readable by its owner alone.

    Raises:
        InvalidRequestError: the URL is of another kind, or holds a password.
        InstallationError: the driver is missing.
    """
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.pool import StaticPool

    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return postgres.open_engine(postgres.parse_url(url))
    if parsed.database in {None, "", ":memory:"}:
        engine = create_engine(
            parsed, poolclass=StaticPool, hide_parameters=True, connect_args={"check_same_thread": False}
        )
    else:
        _make_private(Path(str(parsed.database)))
        # As many connections as threads want: one that waits for the file's lock keeps nobody else from reading.
        waits = {"timeout": BUSY_MS / 1000}
        engine = create_engine(parsed, hide_parameters=True, max_overflow=-1, connect_args=waits)
    _configure(engine, _SETTINGS)
    return engine


def open_read_only(place: Path | str) -> Engine:
    """Return an engine that only reads: an SQLite file, also on a medium that cannot be written, or a PostgreSQL URL.

    Raises:
        InstallationError: there is no such file.
    """
    from sqlalchemy import create_engine

    if isinstance(place, str):
        return open_database(place)  # what is no `transaction` only reads there
    if not place.is_file():
        raise InstallationError("There is no database in this vault. Make one with `jupyter secure init`.")
    engine = create_engine(_read_only_url(place), hide_parameters=True, connect_args={"timeout": BUSY_MS / 1000})
    _configure(engine, ("PRAGMA query_only=ON", "PRAGMA trusted_schema=OFF"))
    return engine


def create(engine: Engine) -> None:
    """Bring the schema to its newest revision. Costs one query when it is there already.

    Raises:
        InstallationError: the schema is newer than this code, or (PostgreSQL) belongs to another role.
        UnavailableError: PostgreSQL does not answer.
    """
    from .migrations import head, upgrade

    found = revision(engine)
    if found is not None and found > head():
        raise InstallationError(_NEWER, detail=f"revision {found}")
    if found != head():
        with transaction(engine, Family.SCHEMA) as connection:
            if engine.dialect.name != "sqlite":
                postgres.without_limit(connection)
            upgrade(connection)


def grant_runtime(engine: Engine, role: str) -> None:
    """Give the role that the broker runs as what it may do with each table, and no more (PostgreSQL).

    Raises:
        InvalidRequestError: this database knows no roles, or not that one.
        InstallationError: the caller does not own the tables.
    """
    from sqlalchemy.exc import ProgrammingError

    if engine.dialect.name == "sqlite":
        raise InvalidRequestError("SQLite knows no roles: file permissions guard the vault there.")
    try:
        with transaction(engine, Family.SCHEMA) as connection:
            for statement in _grants(engine, role):
                connection.exec_driver_sql(statement)
    except ProgrammingError:
        raise InvalidRequestError("There is no such role in the database. Its administrator makes one.") from None


def script(engine: Engine, role: str | None = None) -> str:
    """Return as SQL what `create` (and `grant_runtime`) would do now."""
    from .migrations import head
    from .migrations import script as missing

    found = revision(engine)
    written = "" if found == head() else missing(engine.dialect.name, found)
    return written + "".join(f"{statement};\n" for statement in (_grants(engine, role) if role else ()))


def revision(engine: Engine) -> str | None:
    """Return the revision of the schema, None for an empty database."""
    from sqlalchemy import inspect, text

    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found


@contextlib.contextmanager
def transaction(engine: Engine, family: Family = Family.PEOPLE) -> Iterator[Connection]:
    """Give a connection inside one writing transaction; it commits on leaving and rolls back on any error.

    No other transaction of the family is open meanwhile, in no process.
    """
    with engine.connect() as connection:
        if sqlite := engine.dialect.name == "sqlite":
            connection.connection.info[_IMMEDIATE] = True
        else:
            connection.execution_options(**postgres.WRITING)
        with connection.begin():
            if not sqlite:
                postgres.take_turn(connection, family)
            yield connection


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that only reads; whoever reads inside it, in the same thread, is given the same one.

    What belongs to one step of a request is then read at one moment, and costs one connection instead of one for each
    question to the store. Nothing is written inside it by the same thread: that would not be seen.
    """
    given = _moments.given.get(engine)
    if given is not None:
        yield given
        return
    with engine.connect() as connection:
        _moments.given[engine] = connection
        try:
            yield connection
        finally:
            del _moments.given[engine]


async def briefly(engine: Engine, read: Callable[[], Result]) -> Result:
    """Return what a few short reads return: of a file at once, since a thread for them takes longer than they do.

    A server is asked in a thread, because it may not answer for a while.
    """
    return read() if engine.dialect.name == "sqlite" else await asyncio.to_thread(read)


def scrub(engine: Engine) -> bool:
    """Bring SQLite's write-ahead log into the file and empty it, so that content deleted before is in neither.

    Returns whether that was done: a reader in another process can put it off until the next time. PostgreSQL keeps old
    rows until its own VACUUM, and in its write-ahead log, which are not the broker's to clear: always False.
    """
    if engine.dialect.name != "sqlite":
        return False
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        row = cursor.fetchone()
        return row is not None and not row[0]
    finally:
        connection.close()


def _grants(engine: Engine, role: str) -> list[str]:
    from . import rights, tables
    from .metadata import METADATA

    tables.load()
    return rights.statements(METADATA.sorted_tables, role, engine.dialect)


def _make_private(path: Path) -> None:
    # SQLite gives its -wal and -shm files the mode of the database, so the first creation decides for all three.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def _read_only_url(path: Path) -> URL:
    from sqlalchemy import URL

    query = {"mode": "ro", "uri": "true"}
    wal = path.with_name(path.name + "-wal")
    # Reading a WAL database needs a writable folder; without one, and with nothing in the WAL, the file alone is all.
    if not os.access(path.parent, os.W_OK) and (not wal.exists() or wal.stat().st_size == 0):
        query["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{path}", query=query)


def _configure(engine: Engine, settings: tuple[str, ...]) -> None:
    from sqlalchemy import event

    def connected(dbapi: Any, _record: object) -> None:
        dbapi.isolation_level = None  # the driver would otherwise open transactions behind our back
        for setting in (*settings, f"PRAGMA busy_timeout={BUSY_MS}"):
            dbapi.execute(setting)

    def begin(dbapi: Any) -> None:
        cursor = dbapi.cursor()
        cursor.execute("BEGIN IMMEDIATE" if dbapi.info.pop(_IMMEDIATE, False) else "BEGIN")
        cursor.close()

    event.listen(engine, "connect", connected)
    # Not by a listener, which would cost every connection more than what it begins.
    engine.dialect.do_begin = begin  # type: ignore[method-assign, assignment]  # a function of one argument
