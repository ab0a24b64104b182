"""The vectorised CMAC against the standard's known answers."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

from jupyter_secure.broker.views.mask import buffers
from jupyter_secure.broker.views.mask.cmac import CHUNK, Cmac

VECTORS = json.loads((Path(__file__).parents[4] / "vectors" / "cmac.json").read_text())
KEY = bytes.fromhex(VECTORS["key"])


def tags(messages, key=KEY):
    array = pa.array(messages, pa.binary())
    return [tag.tobytes() for tag in Cmac(key).text(buffers.text(array, buffers.validity(array)))]


def reference(message, key=KEY):
    mac = CMAC(algorithms.AES256(key))
    mac.update(message)
    return mac.finalize()


@pytest.mark.parametrize("vector", VECTORS["tests"], ids=lambda vector: f"{len(vector['message']) // 2}-bytes")
def test_the_known_answers_of_the_standard_come_out(vector):
    assert tags([bytes.fromhex(vector["message"])])[0].hex() == vector["tag"]


def test_all_known_answers_come_out_together_in_their_order():
    messages = [bytes.fromhex(vector["message"]) for vector in VECTORS["tests"]]
    assert [tag.hex() for tag in tags(messages)] == [vector["tag"] for vector in VECTORS["tests"]]


def test_one_block_messages_agree_with_messages_of_16_bytes():
    messages = [bytes(range(row, row + 16)) for row in range(40)]
    halves = np.frombuffer(b"".join(messages), np.uint64).reshape(-1, 2)
    assert [tag.tobytes() for tag in Cmac(KEY).blocks(halves[:, 0], halves[:, 1])] == tags(messages)


def test_chunks_join_without_a_seam():
    messages = [str(row).encode() * (row % 7) for row in range(2 * CHUNK + 5)]
    found = tags(messages)
    for row in (0, 1, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 4):
        assert found[row] == reference(messages[row])


def test_very_long_messages_agree_too():
    messages = [b"x" * size for size in (5, 1024, 1025, 0, 70_000)]
    assert tags(messages) == [reference(message) for message in messages]


def test_one_word_is_the_first_half_of_the_tag():
    array = pa.array([b"a", b"bc" * 20])
    whole = Cmac(KEY).text(buffers.text(array, None))
    assert (Cmac(KEY, words=1).text(buffers.text(array, None))[:, 0] == whole[:, 0]).all()


@pytest.mark.parametrize("least", [0, 1, 15, 16, 17, 33, 63, 64, 65, 80, 129, 200])
@pytest.mark.parametrize("spread", [0, 1, 16, 40])
def test_blocks_that_all_rows_have_agree_wherever_the_rows_end(least, spread):
    messages = [bytes((row + place) % 256 for place in range(least + row % (spread + 1))) for row in range(60)]
    assert tags(messages) == [reference(message) for message in messages]
