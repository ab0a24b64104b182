"""Statements whose text is made once do what SQLAlchemy does; reads of one step share a connection and a moment."""

import threading

import pytest
from sqlalchemy import bindparam, func, insert, select, update

from jupyter_secure.broker.store import database
from jupyter_secure.broker.store.prepared import Prepared, PreparedWrite
from jupyter_secure.broker.store.tables.audit import AUDIT_HEAD
from jupyter_secure.broker.store.tables.grants import GRANTS
from jupyter_secure.broker.store.tables.ledger import LEDGER_CAPS, LEDGER_ENTRIES

GRANT = {
    "id": "g1",
    "user": "ann",
    "kernel": "k-1",
    "notebook": "a.ipynb",
    "guard": {"level": "G3", "layers": ["\N{SNOWMAN}"]},
    "public_key": None,
    "issued": 1,
    "expires": 2**40,
}


@pytest.fixture
def engine(store_engine):
    with database.transaction(store_engine) as connection:
        connection.execute(insert(GRANTS).values(**GRANT))
        connection.execute(insert(GRANTS).values(**{**GRANT, "id": "g2", "public_key": "k"}))
    with database.transaction(store_engine, database.Family.AUDIT) as connection:
        connection.execute(insert(AUDIT_HEAD).values(id=0, size=1, frontier=b"\x00\xff", note=None))
    return store_engine


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (select(GRANTS).where(GRANTS.c.id == bindparam("grant")), {"grant": "g1"}),
        (select(GRANTS).where(GRANTS.c.id == bindparam("grant")), {"grant": "no such"}),
        (select(GRANTS.c.id, GRANTS.c.guard).where(GRANTS.c.user == "ann").order_by(GRANTS.c.id.desc()).limit(1), {}),
        (select(func.max(GRANTS.c.expires).label("last")).where(GRANTS.c.user == bindparam("who")), {"who": "nobody"}),
        (select(AUDIT_HEAD.c.size, AUDIT_HEAD.c.frontier, AUDIT_HEAD.c.note), {}),
    ],
)
def test_rows_and_types_are_those_of_execute(engine, statement, values):
    with engine.connect() as connection:
        expected = connection.execute(statement, values).all()
    with engine.connect() as connection:
        found = Prepared(statement).all(connection, **values)
    assert [row._asdict() for row in found] == [row._asdict() for row in expected]
    assert [[type(value) for value in row] for row in found] == [[type(value) for value in row] for row in expected]


def test_a_transaction_reads_what_it_wrote(engine):
    newest = Prepared(select(GRANTS.c.notebook).where(GRANTS.c.id == bindparam("grant")))
    with database.transaction(engine) as connection:
        connection.execute(update(GRANTS).where(GRANTS.c.id == "g1").values(notebook="b.ipynb"))
        assert newest.first(connection, grant="g1").notebook == "b.ipynb"


def test_reads_of_one_step_see_one_moment(engine):
    notebook = Prepared(select(GRANTS.c.notebook).where(GRANTS.c.id == bindparam("grant")))
    with database.reading(engine) as outer:
        before = notebook.first(outer, grant="g1")
        elsewhere = threading.Thread(target=moved, args=[engine])
        elsewhere.start()
        elsewhere.join()
        with database.reading(engine) as inner:
            assert inner is outer
            assert notebook.first(inner, grant="g1") == before
    with database.reading(engine) as later:
        assert notebook.first(later, grant="g1").notebook == "c.ipynb"


def test_another_thread_reads_on_a_connection_of_its_own(engine):
    found = []

    def read():
        with database.reading(engine) as connection:
            found.append(connection)

    with database.reading(engine) as ours:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert found[0] is not ours


def test_a_reading_that_failed_leaves_nothing_behind(engine):
    with pytest.raises(ZeroDivisionError), database.reading(engine) as broken:
        raise ZeroDivisionError
    with database.reading(engine) as connection:
        assert connection is not broken
        assert not connection.closed


async def test_a_server_is_asked_in_a_thread_and_a_file_at_once(engine):
    thread = await database.briefly(engine, threading.get_ident)
    assert (thread == threading.get_ident()) == (engine.dialect.name == "sqlite")


def moved(engine):
    with database.transaction(engine) as connection:
        connection.execute(update(GRANTS).where(GRANTS.c.id == "g1").values(notebook="c.ipynb"))


ENTRY = PreparedWrite(insert(LEDGER_ENTRIES))
RAISED = PreparedWrite(
    update(LEDGER_CAPS)
    .where(LEDGER_CAPS.c.id == bindparam("number"), LEDGER_CAPS.c.spent + bindparam("more") <= LEDGER_CAPS.c.cap)
    .values(spent=LEDGER_CAPS.c.spent + bindparam("more"))
)


def entries(engine):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(LEDGER_ENTRIES).order_by(LEDGER_ENTRIES.c.seq))]


def test_what_is_written_is_there_after_the_commit(store_engine):
    with database.transaction(store_engine, database.Family.LEDGER) as connection:
        ENTRY.run(connection, seq=1, body="\N{SNOWMAN}", hash="a")
        ENTRY.run_all(connection, [{"seq": 2, "body": "", "hash": "b"}, {"seq": 3, "body": "x'y", "hash": "c"}])
        ENTRY.run_all(connection, [])
    assert entries(store_engine) == [(1, "\N{SNOWMAN}", "a"), (2, "", "b"), (3, "x'y", "c")]


def test_nothing_of_a_transaction_stays_that_ends_in_an_error(store_engine):
    rows = [{"seq": 1, "body": "", "hash": "a"}, {"seq": 3, "body": "", "hash": "b"}]  # a trigger wants them in order
    with pytest.raises(Exception, match="only grows"), database.transaction(store_engine) as connection:
        ENTRY.run_all(connection, rows)
    assert entries(store_engine) == []


def test_an_update_says_how_many_rows_it_concerned_and_takes_a_value_twice(store_engine):
    with database.transaction(store_engine, database.Family.LEDGER) as connection:
        row = {"id": 1, "kind": "dataset", "subject": "d", "salt": bytes(16), "cap": 10, "spent": 0}
        PreparedWrite(insert(LEDGER_CAPS)).run(connection, **row)
        assert [RAISED.run(connection, number=number, more=6) for number in (1, 1, 2)] == [1, 0, 0]
    with store_engine.connect() as connection:
        assert connection.execute(select(LEDGER_CAPS.c.spent)).scalar() == 6
