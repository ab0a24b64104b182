"""Triggers that let a table only grow, written once and said in the words of each database.

A trigger refuses an event unless a condition holds; `<=>` in a condition means "the same, or both null". PostgreSQL
gets a function for each (a WHEN clause there may not look at the table), and one trigger more for each table that
nothing leaves, against TRUNCATE. They stop mistakes and ordinary access. Whoever owns the tables can drop them, and
`not_in_force` then says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

_SAME = "<=>"
_NEVER = ""
# pg_trigger.tgtype, as PostgreSQL's catalog/pg_trigger.h gives the bits.
_ROW, _BEFORE = 1, 2
_EVENTS = {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}
_SQLITE = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
_POSTGRES = text("""
    SELECT t.tgname AS name, p.prosrc AS body, t.tgtype AS type
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgqual IS NULL AND CAST(t.tgattr AS text) = ''
    AND pg_table_is_visible(c.oid) AND t.tgname LIKE c.relname || '%'
""")


class Trigger(NamedTuple):
    """One rule: `event` on a row of `table` is refused with `sentence` unless the condition holds."""

    name: str
    event: str
    table: str
    sentence: str
    unless: str = _NEVER

    def sqlite(self) -> str:
        """Return the statement for SQLite."""
        condition = self.unless.replace(_SAME, "IS") or "0"
        refuse = f"BEGIN SELECT RAISE(ABORT, '{self.sentence}'); END"
        return f"CREATE TRIGGER {self.name} BEFORE {self.event} ON {self.table} WHEN NOT ({condition}) {refuse}"

    def postgres_body(self) -> str:
        """Return the body of the function for PostgreSQL."""
        condition = self.unless.replace(_SAME, "IS NOT DISTINCT FROM") or "false"
        refuse = f"RAISE EXCEPTION '{self.sentence}' USING ERRCODE = 'integrity_constraint_violation'"
        return f" BEGIN IF NOT ({condition}) THEN {refuse}; END IF; RETURN NEW; END "

    def postgres(self) -> tuple[str, str]:
        """Return the statements for PostgreSQL."""
        function = f"CREATE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql AS $${self.postgres_body()}$$"
        fires = f"BEFORE {self.event} ON {self.table} FOR EACH {'STATEMENT' if self.event == 'TRUNCATE' else 'ROW'}"
        return function, f"CREATE TRIGGER {self.name} {fires} EXECUTE FUNCTION {self.name}()"

    def postgres_type(self) -> int:
        """Return what PostgreSQL's catalog says of when it fires."""
        return _BEFORE | _EVENTS[self.event] | (0 if self.event == "TRUNCATE" else _ROW)


def statements(triggers: Sequence[Trigger], dialect: str) -> list[str]:
    """Return what creates them in a database of that dialect."""
    if dialect == "sqlite":
        return [trigger.sqlite() for trigger in triggers]
    return [statement for trigger in _with_truncate(triggers) for statement in trigger.postgres()]


def not_in_force(connection: Connection, triggers: Sequence[Trigger]) -> list[str]:
    """Return the names of those that the database does not have, or has otherwise."""
    if connection.dialect.name == "sqlite":
        stored: dict[str, str] = {row.name: row.sql for row in connection.execute(_SQLITE)}
        return [trigger.name for trigger in triggers if stored.get(trigger.name) != trigger.sqlite()]
    found = {(row.name, row.body, row.type) for row in connection.execute(_POSTGRES)}
    return [
        trigger.name
        for trigger in _with_truncate(triggers)
        if (trigger.name, trigger.postgres_body(), trigger.postgres_type()) not in found
    ]


def _with_truncate(triggers: Sequence[Trigger]) -> list[Trigger]:
    kept = [trigger for trigger in triggers if trigger.event == "DELETE" and trigger.unless == _NEVER]
    whole = [Trigger(f"{it.table}_stay_whole", "TRUNCATE", it.table, it.sentence) for it in kept]
    return [*triggers, *whole]
