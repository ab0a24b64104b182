"""What the broker's database role may do with each table, where the database has roles.

The role that owns the tables migrates them; the broker runs as another one, which can read and add, and change only
what a table names beside its columns. So whoever takes over a broker still cannot rewrite the log: the server refuses.
A table that names nothing may be written freely.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Dialect, Table, text

APPEND = "SELECT, INSERT"
_FREE = "SELECT, INSERT, UPDATE, DELETE"
_KEY = "runtime"
_TOO_MUCH = text("""
    SELECT c.relname AS name, has_table_privilege(c.oid, 'UPDATE') AS "UPDATE",
        has_table_privilege(c.oid, 'DELETE') AS "DELETE", has_table_privilege(c.oid, 'TRUNCATE') AS "TRUNCATE",
        pg_has_role(c.relowner, 'USAGE') AS "OWNER"
    FROM pg_class c WHERE c.relkind = 'r' AND pg_table_is_visible(c.oid) ORDER BY c.relname
""")


def runtime(*rights: str) -> dict[str, Any]:
    """Return a table's `info` for these rights, as GRANT spells them."""
    return {_KEY: ", ".join(rights)}


def statements(tables: Iterable[Table], role: str, dialect: Dialect) -> list[str]:
    """Return what gives a role exactly the rights that the tables name; their owner runs it."""
    quote = dialect.identifier_preparer.quote_identifier
    rights = {"alembic_version": "SELECT"} | {table.name: table.info.get(_KEY, _FREE) for table in tables}
    return [
        statement
        for name, allowed in rights.items()
        for statement in (
            f"REVOKE ALL ON {quote(name)} FROM {quote(role)}",
            f"GRANT {allowed} ON {quote(name)} TO {quote(role)}",
        )
    ]


def excess(connection: Connection, tables: Iterable[Table]) -> list[str]:
    """Return what the connected role may do to tables that only grow, beyond what they name (PostgreSQL alone)."""
    growing = {table.name for table in tables if _KEY in table.info}
    return [
        f"{right} {row['name']}"
        for row in connection.execute(_TOO_MUCH).mappings()
        if row["name"] in growing
        for right in ("UPDATE", "DELETE", "TRUNCATE", "OWNER")
        if row[right]
    ]
