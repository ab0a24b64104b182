"""The temporary PostgreSQL server of the testing kit."""

import stat
from pathlib import Path

import pytest

from jupyter_secure.protocol.errors import InstallationError
from jupyter_secure.testing import postgres as kit


def test_without_the_programs_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(kit, "DEBIAN", Path("/nowhere"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InstallationError, match="apt-get install postgresql"):
        kit.PostgresServer()


def test_nobody_else_reaches_it_and_nothing_is_left_of_it():
    with kit.PostgresServer(durable=False) as server:
        assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
        assert server.sql("SHOW listen_addresses") == ""
        with server.database() as url:
            assert str(server.folder) in url
    assert not server.folder.exists()


def test_it_leaves_out_fsync_only_when_it_is_told_to(postgres, durable_postgres):
    assert (postgres.sql("SHOW fsync"), durable_postgres.sql("SHOW fsync")) == ("off", "on")
