import pytest
import sklearn.ensemble  # noqa: F401 - what is limited has to be there
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_thread():
    """Let a model learn in one thread: on a busy computer those of OpenMP spend ten times as long on waiting."""
    with threadpool_limits(1):
        yield
