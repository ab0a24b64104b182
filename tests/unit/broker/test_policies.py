"""The policy in force: read at each request, compiled once, and never in the event loop."""

import threading

import pytest

from jupyter_secure.broker.policies import Policies
from jupyter_secure.testing.world import World

RULE = """
[[rule]]
id = "{name}"
to = ["role:scientist"]
datasets = ["patients"]
view = "raw"
"""
POLICY = '[dataset.patients]\ntags = {{ name = "direct" }}\n' + RULE


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        yield world
        world.verify()


def watched(vault):
    """Return the policies of a vault, and a list of the threads in which they are compiled."""
    policies, threads = Policies(vault), []
    compiled = policies.archive.current

    def current(*of):
        threads.append(threading.get_ident())
        return compiled(*of)

    policies.archive.current = current
    return policies, threads


async def test_a_policy_at_hand_is_the_current_one_and_is_compiled_once_elsewhere(world):
    world.apply(POLICY.format(name="first"))
    policies, threads = watched(world.vault)
    first = await policies.at_hand()
    assert await policies.at_hand() is first
    assert policies.current() is first
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_what_another_process_applies_counts_from_the_next_request_on(world):
    world.apply(POLICY.format(name="first"))
    policies, threads = watched(world.vault)
    number, _ = await policies.at_hand()
    world.apply(POLICY.format(name="second"))
    later, policy = await policies.at_hand()
    assert (number, later) == (1, 2)
    assert [rule.id for rule in policy.terms.rules] == ["second"]
    assert len(threads) == 2
    assert threading.get_ident() not in threads
