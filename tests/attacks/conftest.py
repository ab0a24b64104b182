import os

import pytest

from tests.attacks.confined import Ground, unavailable

COMBINATIONS = [(level, who) for level in ("G3", "G2") for who in ("self", "person")]


@pytest.fixture(scope="session", params=COMBINATIONS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def ground(request):
    """A guarded kernel at each level, as whoever runs the tests and, where that is root, as an ordinary person too."""
    level, who = request.param
    if why := unavailable(level, who):
        pytest.skip(why)
    ground = Ground(level, who)
    yield ground
    ground.close()


@pytest.fixture
def is_root(ground):
    return os.getuid() == 0 and ground.who == "self"
