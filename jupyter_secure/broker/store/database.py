"""Opening, migrating and writing the database; SQLite's settings stand here and nowhere else.

Promises on SQLite: a transaction that has committed survives a power cut (WAL with synchronous=FULL); writers of all
processes take turns (`BEGIN IMMEDIATE`, waiting `BUSY_MS` at most); deleted content is overwritten (secure_delete);
references between tables hold. SQLAlchemy is imported by the functions, so naming this module costs nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_secure.protocol.errors import InstallationError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

BUSY_MS = 10_000
_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
    "PRAGMA trusted_schema=OFF",
)
_IMMEDIATE = "jupyter_secure_immediate"


def open_database(url: str) -> Engine:
    """Return an engine for `sqlite:///PATH`, `sqlite://` (in memory, for tests) or a PostgreSQL URL.

    A new SQLite file is readable by its owner alone.
    """
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.pool import StaticPool

    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, hide_parameters=True)
    if parsed.database in {None, "", ":memory:"}:
        engine = create_engine(
            parsed, poolclass=StaticPool, hide_parameters=True, connect_args={"check_same_thread": False}
        )
    else:
        _make_private(Path(str(parsed.database)))
        engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": BUSY_MS / 1000})
    _configure(engine, _SETTINGS)
    return engine


def open_read_only(path: Path) -> Engine:
    """Return an engine that only reads an SQLite file, also from a medium that cannot be written.

    Raises:
        InstallationError: there is no such file.
    """
    from sqlalchemy import create_engine

    if not path.is_file():
        raise InstallationError("There is no database in this vault. Make one with `jupyter secure init`.")
    engine = create_engine(_read_only_url(path), hide_parameters=True, connect_args={"timeout": BUSY_MS / 1000})
    _configure(engine, ("PRAGMA query_only=ON", "PRAGMA trusted_schema=OFF"))
    return engine


def create(engine: Engine) -> None:
    """Bring the schema to its newest revision. Costs one query when it is there already."""
    from .migrations import head, upgrade

    if revision(engine) != head():
        with transaction(engine) as connection:
            upgrade(connection)


def revision(engine: Engine) -> str | None:
    """Return the revision of the schema, None for an empty database."""
    from sqlalchemy import inspect, text

    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found


@contextlib.contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Give a connection inside one writing transaction; it commits on leaving and rolls back on any error."""
    with engine.connect().execution_options(**{_IMMEDIATE: True}) as connection, connection.begin():
        yield connection


def scrub(engine: Engine) -> bool:
    """Bring SQLite's write-ahead log into the file and empty it, so that content deleted before is in neither.

    Returns whether that was done: a reader in another process can put it off until the next time.
    """
    if engine.dialect.name != "sqlite":
        return True
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        row = cursor.fetchone()
        return row is not None and not row[0]
    finally:
        connection.close()


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

    def begun(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(_IMMEDIATE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
