"""What the broker's database role may do with each table, where the database has roles.

The role that owns the tables migrates them; the broker runs as another one, which can read and add, and change only
what a table names beside its columns. So whoever takes over a broker still cannot rewrite the log: the server refuses.
A table that names nothing may be written freely.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Dialect, Table

APPEND = "SELECT, INSERT"
_FREE = "SELECT, INSERT, UPDATE, DELETE"
_KEY = "runtime"


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
