"""PostgreSQL as the store: settings, turns, failures, roles. What both databases promise is tested beside each noun."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from jupyter_secure.broker.audit.log import AuditLog
from jupyter_secure.broker.audit.report import Finding
from jupyter_secure.broker.audit.verify import verify
from jupyter_secure.broker.keys.signing import Signer
from jupyter_secure.broker.ledger.ledger import Ledger
from jupyter_secure.broker.store import database, migrations, tables
from jupyter_secure.broker.store import postgres as dialect
from jupyter_secure.broker.store.database import Family
from jupyter_secure.broker.store.metadata import METADATA
from jupyter_secure.protocol.errors import (
    AuditUnavailableError,
    InstallationError,
    InvalidRequestError,
    UnavailableError,
)
from jupyter_secure.protocol.record import Header, Kind, Personal

SIGNER = Signer(b"s" * 32)
HEADER = Header(time=1, kind=Kind.LOAD_DECIDED, outcome="permitted", dataset="patients")
REPLACED = """
    CREATE OR REPLACE FUNCTION audit_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$
"""
ANN = Personal(user="ann", notebook="a.ipynb")


@pytest.fixture
def engine(postgres_url):
    engine = database.open_database(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture
def log(engine):
    log = AuditLog(engine, SIGNER, lambda: 1)
    log.append(HEADER, ANN)
    yield log
    log.close()


def test_migrations_build_the_tables_as_they_are_written(engine):
    tables.load()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_printed_sql_makes_the_same_schema(postgres, postgres_url):
    with postgres.database() as url:
        empty = database.open_database(url)
        postgres.sql(database.script(empty), _name(url))
        assert database.revision(empty) == migrations.head()
        assert database.script(empty) == ""
        empty.dispose()
        assert _schema(postgres, url) == _schema(postgres, postgres_url)


def test_commits_are_on_the_disk_when_they_return_and_nobody_waits_for_ever(engine):
    with engine.connect() as connection:
        value = {name: connection.execute(text(f"SHOW {name}")).scalar() for name in dialect._SETTINGS}
    assert value == {
        "synchronous_commit": "on",
        "lock_timeout": "10s",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "30s",
    }


def test_reading_sees_one_moment_and_writes_nothing(engine, log):
    with engine.connect() as connection:
        size = text("SELECT size FROM audit_head")
        assert connection.execute(size).scalar() == 1
        log.append(HEADER, ANN)
        assert connection.execute(size).scalar() == 1
        with pytest.raises(Exception, match="read-only"):
            connection.execute(text("UPDATE audit_head SET size = 5"))


def test_writers_of_one_family_take_turns_and_of_two_do_not_wait(engine):
    done = []

    def write(family):
        with database.transaction(engine, family):
            done.append(family)

    with database.transaction(engine, Family.AUDIT):
        same, other = (threading.Thread(target=write, args=(it,)) for it in (Family.AUDIT, Family.LEDGER))
        same.start()
        other.start()
        other.join(60)
        assert done == [Family.LEDGER]
    same.join(60)
    assert done == [Family.LEDGER, Family.AUDIT]


@pytest.mark.parametrize(
    "url",
    ["postgresql://ann:secret@host/db", "postgresql://ann@host/db?password=secret", "mysql://host/db", "nonsense", ""],
)
def test_a_url_with_a_password_or_of_something_else_is_refused_and_not_repeated(url):
    with pytest.raises(InvalidRequestError) as refused:
        dialect.parse_url(url)
    assert "secret" not in refused.value.public


@pytest.mark.parametrize(
    "url", ["postgresql://ann@host/db", "postgresql:///?service=broker", "postgresql:///db?host=/run/postgresql"]
)
def test_a_url_without_one_is_good(url):
    assert dialect.parse_url(url).drivername == "postgresql+psycopg"


def test_a_server_that_is_not_there_is_said_in_the_family_s_words(tmp_path):
    engine = database.open_database(f"postgresql:///db?host={tmp_path}")
    with pytest.raises(UnavailableError, match="does not answer"):
        database.create(engine)
    with pytest.raises(AuditUnavailableError, match="no data was opened"):
        AuditLog(engine, SIGNER, lambda: 1).append(HEADER, ANN)
    assert [problem.finding for problem in verify(engine, SIGNER.public).problems] == [Finding.UNREADABLE]
    engine.dispose()


def test_a_database_that_nobody_migrated_says_who_has_to(postgres):
    with postgres.database() as url:
        engine = database.open_database(url)
        with pytest.raises(InstallationError, match="migrate"):
            Ledger(engine).head()
        engine.dispose()


def test_several_processes_may_migrate_a_new_database_at_once(postgres):
    def start(url):
        engine = database.open_database(url)
        try:
            database.create(engine)
            return database.revision(engine)
        finally:
            engine.dispose()

    with postgres.database() as url, ThreadPoolExecutor(3) as pool:
        assert set(pool.map(start, [url] * 3)) == {migrations.head()}


def test_without_the_driver_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InstallationError, match=r"jupyter-secure\[hub\]"):
        database.open_database("postgresql:///db")


def test_a_database_of_a_newer_version_is_left_alone(engine):
    with database.transaction(engine, Family.SCHEMA) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InstallationError, match="newer"):
        database.create(engine)


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("DROP TRIGGER audit_entries_stay ON audit_entries", "audit_entries_stay"),
        ("ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_only_erased", "audit_entries_only_erased"),
        ("ALTER TABLE audit_head DISABLE TRIGGER ALL", "audit_head_grows"),
        ("DROP TRIGGER audit_entries_stay_whole ON audit_entries", "audit_entries_stay_whole"),
        (REPLACED, "audit_entries_stay"),
    ],
)
def test_a_protection_that_was_taken_away_is_found(engine, log, statement, name):
    assert verify(engine, SIGNER.public).problems == ()
    with database.transaction(engine, Family.SCHEMA) as connection:
        connection.execute(text(statement))
    problems = verify(engine, SIGNER.public).problems
    assert {problem.finding for problem in problems} == {Finding.UNPROTECTED}
    assert any(name in problem.sentence for problem in problems)


def test_a_role_that_is_not_there_is_refused(engine):
    with pytest.raises(InvalidRequestError, match="no such role"):
        database.grant_runtime(engine, 'nobody"; DROP TABLE audit_entries; --')


def _schema(postgres, url):
    dump = postgres.run("pg_dump", "--schema-only", "-d", url).splitlines()
    return [line for line in dump if "restrict" not in line]  # a random word for each dump


def _name(url):
    return url.partition("@/")[2].partition("?")[0]
