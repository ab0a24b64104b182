import os

import pytest

from tests.attacks.confined import Ground, unavailable

COMBINATIONS = [(level, who) for level in ("G3", "G2") for who in ("self", "person")]


@pytest.fixture(scope="session")
def grounds():
    """Each ground is made once, whatever the order of the tests."""
    made = {}
    yield made
    for ground in made.values():
        ground.close()


@pytest.fixture(params=COMBINATIONS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def ground(request, grounds):
    """A guarded kernel at each level, as whoever runs the tests and, where that is root, as an ordinary person too."""
    level, who = request.param
    if why := unavailable(level, who):
        # On somebody's own computer a missing part is named and passed over; where the project is judged it fails.
        (pytest.fail if "CI" in os.environ else pytest.skip)(why)
    if request.param not in grounds:
        grounds[request.param] = Ground(level, who)
    return grounds[request.param]
