"""Merkle trees and proofs: published values, and every proof of every small tree."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import pytest

from jupyter_secure.protocol import tlog

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/tlog/tree.json").read_text())
LEAVES = [tlog.leaf_hash(bytes.fromhex(entry)) for entry in VECTORS["entries"]]
SIZES = range(1, 65)
MANY = [tlog.leaf_hash(bytes([number])) for number in range(64)]
ROOTS = [tlog.tree_root(MANY[:size]) for size in range(65)]


def _hex(proof: list[bytes]) -> list[str]:
    return [node.hex() for node in proof]


def _flip(node: bytes) -> bytes:
    return bytes([node[0] ^ 1]) + node[1:]


def test_the_empty_tree_has_the_published_root():
    assert tlog.tree_root([]).hex() == VECTORS["empty_root"] == tlog.EMPTY_ROOT.hex()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size):
    assert tlog.tree_root(LEAVES[:size]).hex() == VECTORS["roots"][size - 1]


@pytest.mark.parametrize("case", VECTORS["inclusion"])
def test_inclusion_proofs_are_the_published_ones(case):
    assert _hex(tlog.inclusion_proof(LEAVES[: case["size"]], case["index"])) == case["proof"]


@pytest.mark.parametrize("case", VECTORS["consistency"])
def test_consistency_proofs_are_the_published_ones(case):
    assert _hex(tlog.consistency_proof(LEAVES[: case["size"]], case["old"])) == case["proof"]


@pytest.mark.parametrize("size", SIZES)
def test_every_inclusion_proof_holds_for_its_place_alone(size):
    for index in range(size):
        proof = tlog.inclusion_proof(MANY[:size], index)
        assert tlog.verify_inclusion(index, size, MANY[index], ROOTS[size], proof)
        assert not tlog.verify_inclusion(index, size, _flip(MANY[index]), ROOTS[size], proof)
        assert not tlog.verify_inclusion(index, size, MANY[index], _flip(ROOTS[size]), proof)
        assert not tlog.verify_inclusion(index, size, MANY[index], ROOTS[size], [*proof, ROOTS[1]])
        assert not tlog.verify_inclusion(size, size, MANY[index], ROOTS[size], proof)
        if proof:
            assert not tlog.verify_inclusion(index, size, MANY[index], ROOTS[size], proof[:-1])
            assert not tlog.verify_inclusion(index, size, MANY[index], ROOTS[size], [_flip(proof[0]), *proof[1:]])
        for other in set(range(size)) - {index}:
            assert not tlog.verify_inclusion(other, size, MANY[index], ROOTS[size], proof)


@pytest.mark.parametrize("size", SIZES)
def test_every_consistency_proof_holds_and_altered_roots_are_refused(size):
    for old in range(1, size + 1):
        proof = tlog.consistency_proof(MANY[:size], old)
        assert tlog.verify_consistency(old, ROOTS[old], size, ROOTS[size], proof)
        assert not tlog.verify_consistency(old, _flip(ROOTS[old]), size, ROOTS[size], proof)
        assert not tlog.verify_consistency(old, ROOTS[old], size, _flip(ROOTS[size]), proof)
        assert not tlog.verify_consistency(old, ROOTS[old], size, ROOTS[size], [*proof, ROOTS[1]])
        for place in range(len(proof)):
            altered = [*proof[:place], _flip(proof[place]), *proof[place + 1 :]]
            assert not tlog.verify_consistency(old, ROOTS[old], size, ROOTS[size], altered)
            assert not tlog.verify_consistency(old, ROOTS[old], size, ROOTS[size], proof[:place] + proof[place + 1 :])


def test_an_empty_tree_is_the_beginning_of_every_tree():
    assert tlog.verify_consistency(0, tlog.EMPTY_ROOT, 5, ROOTS[5], [])
    assert not tlog.verify_consistency(0, ROOTS[1], 5, ROOTS[5], [])


def test_a_larger_tree_is_never_the_beginning_of_a_smaller_one():
    assert not tlog.verify_consistency(6, ROOTS[6], 5, ROOTS[5], [])
    with pytest.raises(ValueError, match="no such tree"):
        tlog.consistency_proof(MANY[:5], 6)
    with pytest.raises(ValueError, match="no such entry"):
        tlog.inclusion_proof(MANY[:5], 5)


def test_a_frontier_that_was_stored_grows_on():
    frontier = tlog.Frontier()
    for size, leaf in enumerate(MANY, start=1):
        frontier = tlog.Frontier.unpack(frontier.size, frontier.pack())
        frontier.add(leaf)
        assert (frontier.size, frontier.root()) == (size, ROOTS[size])


@pytest.mark.parametrize(("size", "packed"), [(1, b""), (0, b"x" * 32), (3, b"x" * 32), (2, b"x" * 33), (3, b"x" * 63)])
def test_a_frontier_that_does_not_fit_its_size_is_refused(size, packed):
    with pytest.raises(ValueError, match="does not fit"):
        tlog.Frontier.unpack(size, packed)


def test_leaves_and_nodes_never_hash_alike():
    left, right = MANY[:2]
    assert tlog.leaf_hash(left + right) != tlog.node_hash(left, right) != hashlib.sha256(left + right).digest()
    assert all(one != next_one for one, next_one in pairwise(ROOTS))
