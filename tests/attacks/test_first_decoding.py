"""Two threads that meet a noun for the first time at the same moment do not bring the broker down.

The first test is a canary: it fails once msgspec no longer crashes, and `settle` can go then.
"""

import signal
import subprocess
import sys

import pytest

from jupyter_secure.protocol import noun
from jupyter_secure.protocol.noun import Noun
from jupyter_secure.testing.world import World

PROGRAM = """
import resource, sys, threading, time
import msgspec
from jupyter_secure.protocol.noun import Noun, settle

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
begun, asked = threading.Event(), threading.Event()

def slow():  # evaluated when msgspec works out the type
    begun.set()
    asked.wait(30)
    time.sleep(1)
    return int

class Inner(Noun):
    a: "slow()"

class Outer(Noun):
    n: int
    inner: Inner
    m: int

def decode():
    print(msgspec.json.decode(b'{"n":1,"inner":{"a":2},"m":3}', type=Outer).inner.a)

if "settled" in sys.argv:
    asked.set()
    settle()
thread = threading.Thread(target=decode)
thread.start()
begun.wait()
asked.set()
decode()
thread.join()
"""


def run(*words):
    command = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_msgspec_crashes_while_a_noun_is_half_worked_out():
    assert run().returncode == -signal.SIGSEGV


def test_a_noun_that_was_worked_out_before_is_decoded_by_many_threads():
    done = run("settled")
    assert (done.returncode, "".join(done.stdout.split())) == (0, "22"), done.stderr  # their lines may run together


@pytest.fixture
def world(tmp_path):
    with World(tmp_path) as world:
        yield world
        world.verify()


async def test_a_broker_works_out_every_noun_before_it_serves(world, monkeypatch):
    monkeypatch.setattr(noun, "_settled", set())
    async with world.desk():
        assert set(noun._below(Noun)) <= noun._settled
