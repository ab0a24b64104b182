"""The Merkle tree of a log that only grows (RFC 6962 section 2.1), and proofs about it.

With the root of a tree one can check that an entry is in it (inclusion) and that an older tree is its beginning
(consistency), from about log2(size) hashes. Everything is pure: bytes in, bytes out; hashes are SHA-256, 32 bytes.
Verifying functions return False for anything that is not a correct proof, and never raise because of what it holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_SIZE = 32


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of an entry."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees side by side."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """All that is needed to grow a tree: the roots of its perfect subtrees, the largest (leftmost) first.

    There is one for each bit set in `size`.

    Raises:
        ValueError: the number of nodes does not fit the size.
    """

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.nodes = list(nodes)
        if len(self.nodes) != size.bit_count() or any(len(node) != HASH_SIZE for node in self.nodes):
            raise ValueError("the frontier does not fit the size")

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Frontier:
        """Rebuild from `pack`.

        Raises:
            ValueError: the bytes do not fit the size.
        """
        return cls(size, (packed[at : at + HASH_SIZE] for at in range(0, len(packed), HASH_SIZE)))

    def pack(self) -> bytes:
        """Return the nodes one after another."""
        return b"".join(self.nodes)

    def add(self, leaf: bytes) -> None:
        """Append the hash of one entry."""
        node = leaf
        size = self.size
        while size & 1:
            node = node_hash(self.nodes.pop(), node)
            size >>= 1
        self.nodes.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree so far."""
        if not self.nodes:
            return EMPTY_ROOT
        node = self.nodes[-1]
        for left in self.nodes[-2::-1]:
            node = node_hash(left, node)
        return node


def tree_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over the hashes of all entries."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return PATH(index, leaves) of RFC 6962 section 2.1.1.

    Raises:
        ValueError: there is no such entry.
    """
    if not 0 <= index < len(leaves):
        raise ValueError("no such entry")
    return _path(leaves, index)


def consistency_proof(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """Return PROOF(old, leaves) of RFC 6962 section 2.1.2; empty for an old size of 0 or of the whole tree.

    Raises:
        ValueError: the old tree is larger.
    """
    if not 0 <= old <= len(leaves):
        raise ValueError("no such tree")
    return _subproof(leaves, old, whole=True) if 0 < old < len(leaves) else []


def verify_inclusion(index: int, size: int, leaf: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether the proof leads from an entry's hash to the root (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether the old tree is the beginning of the new one (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old <= size:
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if old == size:
        return not proof and old_root == root
    # A perfect old tree is itself the first node of the path; the proof leaves it out.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    return bool(path) and _walk(old - 1, size - 1, path) == (old_root, root)


def _walk(place: int, last: int, path: list[bytes]) -> tuple[bytes, bytes] | None:
    """Return the roots of the old and the new tree that a path leads to, or None if its length is wrong."""
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for node in path[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, node)
        place, last = place >> 1, last >> 1
    return (old, new) if last == 0 else None


def _split(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1  # the largest power of two below size


def _path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    half = _split(len(leaves))
    if index < half:
        return [*_path(leaves[:half], index), tree_root(leaves[half:])]
    return [*_path(leaves[half:], index - half), tree_root(leaves[:half])]


def _subproof(leaves: Sequence[bytes], old: int, *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [tree_root(leaves)]
    half = _split(len(leaves))
    if old <= half:
        return [*_subproof(leaves[:half], old, whole=whole), tree_root(leaves[half:])]
    return [*_subproof(leaves[half:], old - half, whole=False), tree_root(leaves[:half])]
