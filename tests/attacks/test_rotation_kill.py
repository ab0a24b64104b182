"""A rotation that is killed leaves the old keys or the new ones, whole, and the next one goes through."""

import random
import subprocess
import sys
import time

import pyarrow as pa

from jupyter_secure.broker.keeping import rotate_keys
from jupyter_secure.broker.sealed import check
from jupyter_secure.testing.sealed_data import PASSPHRASE
from jupyter_secure.testing.world import World

ROTATOR = f"""
import os, sys
import jupyter_secure.testing.unsafe_keys
from jupyter_secure.broker.keeping import rotate_keys
from jupyter_secure.broker.vault import Vault
vault = Vault.open_locked(sys.argv[1])
vault.unlock({PASSPHRASE!r})
while True:
    rotate_keys(vault, "patients")
    os.write(1, b"rotated\\n")
"""


def test_a_rotation_killed_at_any_moment_leaves_one_whole_generation(tmp_path):
    chance = random.Random(20261126)
    with World(tmp_path) as world:
        for _ in range(3):
            world.seal(pa.table({f"column {n}": [1, 2, 3] for n in range(20)}))
        generation = 1
        for _ in range(4):
            rotator = subprocess.Popen([sys.executable, "-c", ROTATOR, str(world.path)], stdout=subprocess.PIPE)
            assert rotator.stdout.readline() == b"rotated\n"  # at work
            time.sleep(chance.uniform(0, 0.1))
            rotator.kill()
            done = 1 + len(rotator.communicate(timeout=60)[0].splitlines())
            now = world.vault.catalog.sheets.generation("patients")
            assert now - generation in {done, done + 1}  # the last may have been said or not
            generation = now
            reports = check.check_all(world.vault.catalog, world.vault.keychain)
            assert [(it.sound, it.decrypted) for it in reports] == [(True, True)] * 3
        assert rotate_keys(world.vault, "patients").generation == generation + 1
        world.verify()
