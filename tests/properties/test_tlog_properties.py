"""What holds for every tree: any prefix is provable, and nothing else is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.protocol import checkpoint, tlog

entries = st.lists(st.binary(max_size=8), min_size=1, max_size=200)
hashes = st.binary(min_size=32, max_size=32)


@given(entries, st.data())
def test_a_frontier_grown_in_any_steps_has_the_root_of_the_whole(items, data):
    leaves = [tlog.leaf_hash(item) for item in items]
    stop = data.draw(st.integers(0, len(leaves)))
    first = tlog.Frontier()
    for leaf in leaves[:stop]:
        first.add(leaf)
    second = tlog.Frontier.unpack(first.size, first.pack())
    for leaf in leaves[stop:]:
        second.add(leaf)
    assert second.root() == tlog.tree_root(leaves)


@given(entries, st.data())
def test_a_prefix_is_provable(items, data):
    leaves = [tlog.leaf_hash(item) for item in items]
    old = data.draw(st.integers(0, len(leaves)))
    proof = tlog.consistency_proof(leaves, old)
    assert len(proof) <= len(leaves).bit_length() + 1
    roots = tlog.tree_root(leaves[:old]), tlog.tree_root(leaves)
    assert tlog.verify_consistency(old, roots[0], len(leaves), roots[1], proof)


@given(entries, st.data())
def test_a_changed_history_is_not_provable(items, data):
    leaves = [tlog.leaf_hash(item) for item in items]
    old = data.draw(st.integers(1, len(leaves)))
    place = data.draw(st.integers(0, old - 1))
    changed = [*leaves[:place], tlog.leaf_hash(items[place] + b"!"), *leaves[place + 1 :]]
    proof = tlog.consistency_proof(changed, old)
    assert not tlog.verify_consistency(old, tlog.tree_root(leaves[:old]), len(leaves), tlog.tree_root(changed), proof)


@given(st.integers(0, 300), st.integers(0, 300), hashes, hashes, st.lists(hashes, max_size=10))
def test_made_up_proofs_never_hold_and_never_raise(one, other, first, second, proof):
    assert not tlog.verify_inclusion(one, other, first, second, proof) or (other == 1 and first == second)
    held = tlog.verify_consistency(one, first, other, second, proof)
    assert not held or (one == other and first == second and not proof)


@given(st.text(max_size=300))
def test_any_text_is_a_note_or_a_value_error(text):
    for parse, show in ((checkpoint.parse_note, None), (checkpoint.parse_checkpoint, checkpoint.Checkpoint.text)):
        try:
            found = parse(text)
        except ValueError:
            continue
        assert show is None or show(found) == text


@given(st.integers(0, 2**53 - 1), hashes, st.lists(st.text("abc \u00e9", min_size=1), max_size=3))
def test_every_checkpoint_is_read_back(size, root, extensions):
    made = checkpoint.Checkpoint(origin="o", size=size, root=root, extensions=tuple(extensions))
    assert checkpoint.parse_checkpoint(made.text()) == made
