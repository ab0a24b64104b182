"""PostgreSQL: how the broker connects, takes turns, and what it makes of failures. Its settings stand here alone.

Promises: a commit is on the server's disk when it returns (synchronous_commit); reading sees one moment of the whole
database (REPEATABLE READ, READ ONLY); writers of one family take turns, by an advisory lock that ends with their
transaction, and each sees what the one before it committed; a server that was gone is found again by itself; nobody
waits without end. A password is never part of the URL: PostgreSQL's own means (peer, PGPASSFILE, a service file,
client certificates) bring it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError, UnavailableError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.engine import ExceptionContext

BUSY_MS = 10_000  # waiting for one's turn
STATEMENT_MS = 60_000
IDLE_MS = 30_000  # a broker that stops in the middle of a transaction loses it, so that others go on
LOCKS = 0x4A53  # sets our advisory locks apart from those of others in the same database
# A server that is gone without a word is given up after these.
_PATIENCE = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}

WRITING = {"isolation_level": "READ COMMITTED", "postgresql_readonly": False}
_READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_SETTINGS = {
    "synchronous_commit": "on",
    "lock_timeout": BUSY_MS,
    "statement_timeout": STATEMENT_MS,
    "idle_in_transaction_session_timeout": IDLE_MS,
}
_SECRET = frozenset({"password", "sslpassword"})
_NOT_A_URL = "That is not the URL of a PostgreSQL database, such as `postgresql://broker@host/jupyter_secure`."
_TOO_MUCH = (
    "A database URL must not hold a password. Leave it out, and let PostgreSQL find it: in the file that PGPASSFILE "
    "names, in a service file (`?service=NAME`), or not at all (peer, client certificates)."
)
_DRIVER = "The PostgreSQL driver is not installed here. Type:  pip install 'jupyter-secure[hub]'"
_GONE = (
    "The broker's database does not answer, so nothing was handed out. Run the cell again in a moment; "
    "if it stays so, tell the operator."
)
_RIGHTS = (
    "The database is not ready for this broker: a table or a right is missing. "
    "Its owner runs `jupyter secure migrate --database URL --grant-to ROLE`."
)
_UNPREPARED = frozenset({"42501", "42P01", "3F000"})  # insufficient_privilege, undefined_table, invalid_schema_name


def parse_url(text: str) -> URL:
    """Return a database URL.

    Raises:
        InvalidRequestError: it is none of a PostgreSQL database, or holds a password.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise InvalidRequestError(_NOT_A_URL) from None
    if url.drivername not in {"postgresql", "postgresql+psycopg"}:
        raise InvalidRequestError(_NOT_A_URL)
    if url.password is not None or _SECRET & set(url.query):
        raise InvalidRequestError(_TOO_MUCH)
    return url.set(drivername="postgresql+psycopg")


def open_engine(url: URL) -> Engine:
    """Return an engine; nothing is connected yet.

    Raises:
        InstallationError: there is no driver.
    """
    from sqlalchemy import create_engine, event

    given = " ".join(cast("tuple[str, ...]", url.normalized_query.get("options", ())))
    options = " ".join([given, *(f"-c {name}={value}" for name, value in _SETTINGS.items())]).strip()
    try:
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=10,
            max_overflow=20,
            execution_options=_READING,
            connect_args={**_PATIENCE, "options": options},
        )
    except ImportError:
        raise InstallationError(_DRIVER) from None
    event.listen(engine, "handle_error", _translate)
    return engine


def take_turn(connection: Connection, family: int) -> None:
    """Wait until no other transaction of the family is open; the turn ends with the transaction."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCKS}, {family})")


def without_limit(connection: Connection) -> None:
    """Let the statements of this transaction take as long as they need: a migration may rewrite a table."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def _translate(context: ExceptionContext) -> None:
    """Say in the family's words that the server is gone, busy or not prepared; the rest goes on as it is."""
    from sqlalchemy.exc import OperationalError

    if context.is_pre_ping:
        return  # the pool connects anew by itself
    state: Any = getattr(context.original_exception, "sqlstate", None)
    detail = f"{type(context.original_exception).__name__} {state or ''}".strip()
    if state in _UNPREPARED:
        raise InstallationError(_RIGHTS, detail=detail)
    if context.is_disconnect or isinstance(context.sqlalchemy_exception, OperationalError):
        raise UnavailableError(_GONE, detail=detail)
