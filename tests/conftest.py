"""Fixtures for all tests: a migrated database on each of the two kinds of server that the store knows."""

import pytest
from hypothesis import HealthCheck, settings

from jupyter_secure.broker.store import database
from jupyter_secure.testing.postgres import PostgresServer

KINDS = ("sqlite", "postgresql")

# How long an example takes, or making it, says more about what else the machine does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Spread tests over processes as `tests/spreading.py` says."""
    from tests.spreading import Together

    return Together(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put files with a slow test first, each kind in the order that chance gave it."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def postgres():
    """A server for tests that ask nothing about what survives: it leaves out every fsync."""
    with PostgresServer(durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def durable_postgres():
    """A server as an operator runs it."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres):
    """A migrated database to copy: migrating takes a second, copying it thirty milliseconds."""
    name = postgres.create_database()
    engine = database.open_database(postgres.url(name))
    database.create(engine)
    engine.dispose()
    return name


@pytest.fixture
def postgres_url(postgres, postgres_template):
    """A migrated database of a test's own."""
    with postgres.database(postgres_template) as url:
        yield url


@pytest.fixture(params=KINDS)
def store_url(request, tmp_path):
    """The URL of a migrated database, on SQLite and on PostgreSQL in turn."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    url = f"sqlite:///{tmp_path}/store.sqlite"
    engine = database.open_database(url)
    database.create(engine)
    engine.dispose()
    return url


@pytest.fixture(params=KINDS)
def elsewhere(request):
    """Where a vault keeps its database: None for a file of its own, then the URL of a migrated one in PostgreSQL."""
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


@pytest.fixture
def store_engine(store_url):
    """An engine of that database."""
    engine = database.open_database(store_url)
    yield engine
    engine.dispose()
