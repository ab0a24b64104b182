"""What every request reads and writes, several times: on SQLite its text is made once and goes straight to the driver.

SQLAlchemy's own way of running a statement costs ten times what a small read of a file does. Promises: the same rows
as from `connection.execute`, with the same types, inside whatever transaction the connection has begun; writes happen
inside one that the caller has begun, and what fails there is the driver's own error. On PostgreSQL,
where the way to the server costs more than all of it and its errors have to be told apart, it is `connection.execute`.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Insert, Select, Update
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Text(NamedTuple):
    """A statement for the driver.

    Attributes:
        given: values that stand in the statement itself.
        order: names of all values, as the text asks for them.
        row: makes a row of the columns.
        typed: place and reader of each column whose value the driver does not know the type of.
    """

    sql: str
    given: dict[str, Any]
    order: tuple[str, ...]
    row: Callable[..., Any]
    typed: tuple[tuple[int, Callable[[Any], Any]], ...]


class Prepared:
    """One SELECT with named values."""

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement

    def all(self, connection: Connection, **values: object) -> Sequence[Any]:
        """Return all rows; columns are their attributes."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self.statement, values).all()
        if not connection.in_transaction():
            connection.begin()  # as `execute` does, so that what is read next is of the same moment
        text = self._text
        everything = text.given | values
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text.sql, [everything[name] for name in text.order])
            return [self._row(text, found) for found in cursor.fetchall()]
        finally:
            cursor.close()

    def first(self, connection: Connection, **values: object) -> Any:
        """Return the first row, or None."""
        return next(iter(self.all(connection, **values)), None)

    @staticmethod
    def _row(text: _Text, found: tuple[Any, ...]) -> Any:
        if not text.typed:
            return text.row(*found)
        columns = list(found)
        for place, read in text.typed:
            columns[place] = read(columns[place])
        return text.row(*columns)

    @cached_property
    def _text(self) -> _Text:
        dialect = sqlite.dialect()
        compiled = self.statement.compile(dialect=dialect)
        columns = list(self.statement.selected_columns)
        readers = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        return _Text(
            sql=str(compiled),
            given=dict(compiled.params),
            order=tuple(compiled.positiontup or ()),
            row=namedtuple("Row", [str(column.key) for column in columns], rename=True),  # noqa: PYI024
            typed=tuple((place, read) for place, read in enumerate(readers) if read is not None),
        )


class PreparedWrite:
    """One INSERT or UPDATE with named values: of an INSERT all columns, by their names, of simple types."""

    def __init__(self, statement: Insert | Update) -> None:
        self.statement = statement

    def run(self, connection: Connection, **values: object) -> int:
        """Write, and return how many rows an UPDATE concerned."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self.statement, values).rowcount
        sql, order = self._text
        cursor = connection.connection.cursor()
        try:
            cursor.execute(sql, [values[name] for name in order])
            return cursor.rowcount
        finally:
            cursor.close()

    def run_all(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Write several rows, with one trip to a server."""
        if connection.dialect.name == "sqlite":
            for row in rows:
                self.run(connection, **row)
        elif rows:
            connection.execute(self.statement, rows)

    @cached_property
    def _text(self) -> tuple[str, tuple[str, ...]]:
        compiled = self.statement.compile(dialect=sqlite.dialect())
        return str(compiled), tuple(compiled.positiontup or ())
