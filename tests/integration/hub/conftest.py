"""One Hub for all tests of this folder: proxy, PostgreSQL, broker, three people, their servers when they are needed."""

import pytest

from tests.integration.hub.hub_process import Hub, Person


@pytest.fixture(scope="session")
def hub(tmp_path_factory, durable_postgres):
    with durable_postgres.database() as url:
        started = Hub(tmp_path_factory.mktemp("hub"), url)
        try:
            yield started.wait_until_ready()
        finally:
            started.stop()
            started.verify()


@pytest.fixture(scope="session")
def person(hub):
    """Return a function: a person at his own server, which is started if need be."""

    def at_server(name):
        hub.ensure_server(name)
        return Person(hub, name)

    return at_server
