"""The database: settings, migrations, transactions."""

from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from jupyter_secure.broker.store import database, migrations, tables
from jupyter_secure.broker.store.metadata import METADATA
from jupyter_secure.broker.store.tables.audit import TRIGGERS
from jupyter_secure.protocol.errors import InstallationError


@pytest.fixture
def engine(tmp_path):
    engine = database.open_database(f"sqlite:///{tmp_path}/store.sqlite")
    database.create(engine)
    yield engine
    engine.dispose()


def test_migrations_build_the_tables_as_they_are_written(engine):
    tables.load()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_head_by_file_name_is_the_head_by_alembic(engine):
    script = ScriptDirectory.from_config(migrations.config())
    assert script.get_current_head() == migrations.head() == database.revision(engine)


def test_creating_twice_changes_nothing(engine):
    database.create(engine)
    assert database.revision(engine) == migrations.head()


def test_an_empty_database_has_no_revision():
    engine = database.open_database("sqlite://")
    assert database.revision(engine) is None
    engine.dispose()


def test_commits_survive_a_power_cut_by_setting(engine):
    with engine.connect() as connection:
        value = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        }
    assert value == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": database.BUSY_MS,
    }


def test_the_files_are_readable_by_their_owner_alone(engine, tmp_path):
    with database.transaction(engine) as connection:
        connection.execute(text("INSERT INTO keys VALUES ('p', 'n', x'00', 'u', 1, NULL)"))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"], 0o600)


def test_an_error_rolls_the_transaction_back(engine):
    row = "INSERT INTO keys VALUES ('p', 'n', x'00', 'u', 1, NULL)"
    with pytest.raises(IntegrityError), database.transaction(engine) as connection:
        [connection.execute(text(row)) for _ in range(2)]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM keys")).scalar() == 0


def test_writers_take_turns(engine):
    def add() -> None:
        for _ in range(20):
            with database.transaction(engine) as connection:
                size = connection.execute(text("SELECT size FROM audit_head")).scalar() or 0
                connection.execute(text("UPDATE audit_head SET size = :size"), {"size": size + 1})

    with database.transaction(engine) as connection:
        connection.execute(text("INSERT INTO audit_head VALUES (0, 0, x'', NULL)"))
    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT size FROM audit_head")).scalar() == 60


def test_the_log_s_triggers_are_in_the_database_as_they_are_written(engine):
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE name LIKE 'audit%' AND type = 'trigger'")
        ).all()
    assert dict(rows) == {trigger.name: trigger.sqlite() for trigger in TRIGGERS}


def test_a_read_only_database_refuses_to_be_written(engine, tmp_path):
    reader = database.open_read_only(tmp_path / "store.sqlite")
    with reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM keys")).scalar() == 0
        with pytest.raises(Exception, match="readonly"):
            connection.execute(text("DELETE FROM keys"))
    reader.dispose()


def test_a_database_in_a_folder_that_cannot_be_written_is_read_too(engine, tmp_path, monkeypatch):
    engine.dispose()
    assert not (tmp_path / "store.sqlite-wal").exists()
    monkeypatch.setattr("os.access", lambda *_: False)
    reader = database.open_read_only(tmp_path / "store.sqlite")
    with reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM keys")).scalar() == 0
    reader.dispose()
    assert [path.name for path in tmp_path.iterdir()] == ["store.sqlite"]


def test_a_missing_database_is_said_to_be_missing(tmp_path):
    with pytest.raises(InstallationError):
        database.open_read_only(tmp_path / "store.sqlite")


def test_a_link_in_place_of_the_database_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").touch()
    (tmp_path / "store.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        database.open_database(f"sqlite:///{tmp_path}/store.sqlite")


def test_autogeneration_finds_nothing_to_add(capsys, monkeypatch):
    from jupyter_secure.broker.store.migrations import __main__ as generate

    monkeypatch.setattr("sys.argv", ["migrations", "nothing"])
    generate.main()
    printed = capsys.readouterr().out
    assert f'down_revision = "{migrations.head()}"' in printed
    assert "create_table" not in printed


def test_several_processes_may_open_and_migrate_a_new_database_at_once(tmp_path):
    def start(_: int) -> str | None:
        engine = database.open_database(f"sqlite:///{tmp_path}/store.sqlite")
        try:
            database.create(engine)
            return database.revision(engine)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(start, range(4))) == {migrations.head()}
