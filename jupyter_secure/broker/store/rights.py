"""What the broker's database role may do with each table, where the database has roles.

The role that owns the tables migrates them; the broker runs as another one, which can read and add, and change only
what a table names beside its columns. So whoever takes over a broker still cannot rewrite the log: the server refuses.
A table that names nothing may be written freely.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table, text

APPEND = "SELECT, INSERT"
_FREE = "SELECT, INSERT, UPDATE, DELETE"
_KEY = "runtime"


def runtime(*rights: str) -> dict[str, Any]:
    """Return a table's `info` for these rights, as GRANT spells them."""
    return {_KEY: ", ".join(rights)}


def grant(connection: Connection, tables: Iterable[Table], role: str) -> None:
    """Give a role exactly the rights that the tables name; the caller owns the tables."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    schema: str = connection.execute(text("SELECT current_schema()")).scalar_one()
    rights = {"alembic_version": "SELECT"} | {table.name: table.info.get(_KEY, _FREE) for table in tables}
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(role)}")
    for name, allowed in rights.items():
        connection.exec_driver_sql(f"REVOKE ALL ON {quote(name)} FROM {quote(role)}")
        connection.exec_driver_sql(f"GRANT {allowed} ON {quote(name)} TO {quote(role)}")
