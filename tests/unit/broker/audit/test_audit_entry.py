"""The bytes that are hashed."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.broker.audit import entry
from jupyter_secure.protocol.canonical import canonical
from jupyter_secure.protocol.record import Header, Kind, Personal
from jupyter_secure.protocol.tlog import leaf_hash

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
headers = st.builds(
    Header,
    time=st.integers(0, 2**53 - 1),
    kind=st.sampled_from(Kind),
    outcome=words,
    dataset=st.none() | words,
    columns=st.lists(words, max_size=4).map(tuple),
    rows=st.none() | st.integers(0, 2**53 - 1),
    extra=st.dictionaries(words, words, max_size=3),
)
persons = st.builds(Personal, user=st.none() | words, notebook=st.none() | words, note=st.none() | words)


@given(st.integers(0, 2**53 - 1), headers, persons)
def test_a_leaf_is_the_canonical_form_of_its_four_members(seq, header, personal):
    draft = entry.Draft.make(header, personal)
    fields = {"v": 1, "seq": seq, "header": entry.msgspec.json.decode(draft.header), "commitment": draft.commitment}
    assert draft.row(seq)["leaf"] == leaf_hash(canonical(fields))


@given(headers, persons)
def test_both_parts_are_read_back(header, personal):
    draft = entry.Draft.make(header, personal)
    assert entry.decode_header(draft.header) == header
    assert entry.decode_personal(draft.personal) == personal


def test_a_commitment_is_over_salt_and_text():
    expected = hashlib.sha256(b"jsec-commit\0" + b"s" * 32 + b'{"user":"ann"}').hexdigest()
    assert (
        entry.Draft.make(Header(time=0, kind=Kind.LOGIN, outcome="done"), Personal(user="ann"), b"s" * 32).commitment
        == expected
    )


def test_equal_people_are_committed_to_differently():
    header = Header(time=0, kind=Kind.LOGIN, outcome="done")
    one, other = (entry.Draft.make(header, Personal(user="ann")) for _ in range(2))
    assert one.commitment != other.commitment


@given(persons.filter(lambda person: person.user))
def test_nothing_personal_is_in_what_is_hashed(personal):
    draft = entry.Draft.make(Header(time=0, kind=Kind.LOGIN, outcome="done"), personal)
    assert draft.header == '{"kind":"login","outcome":"done","time":0}'
