"""Canonical JSON says one thing in one way."""

import json
import pathlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.protocol.canonical import canonical, digest
from jupyter_secure.protocol.view import Comparison

VECTORS = json.loads((pathlib.Path(__file__).parents[2] / "vectors" / "jcs.json").read_text())
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(exclude_categories=["Cs"]))
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    SCALARS | FLOATS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
)


@pytest.mark.parametrize(("bits", "text"), VECTORS["numbers"])
def test_numbers_print_as_in_the_rfc(bits, text):
    number = struct.unpack(">d", bytes.fromhex(bits))[0]
    if text is None:
        with pytest.raises(ValueError, match="finite"):
            canonical(number)
    else:
        assert canonical(number).decode() == text


def test_names_sort_by_utf16_code_units():
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}
    assert [json.loads(canonical(value))[name] for name in json.loads(canonical(value))] == [2, 4, 6, 7, 1, 5, 3]


@given(JSON)
def test_what_is_written_reads_back_as_the_same_value(value):
    assert json.loads(canonical(value), parse_int=float) == value


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), SCALARS))
def test_the_order_of_insertion_does_not_matter(value):
    assert digest(value) == digest(dict(reversed(value.items())))


@pytest.mark.parametrize("value", [2**53, -(2**53), {"a": "\ud800"}, {1: 2}])
def test_what_two_readers_could_understand_differently_is_refused(value):
    with pytest.raises(ValueError, match=r"2\*\*53|surrogate|not a string"):
        canonical(value)


def test_a_struct_is_written_with_its_tag():
    assert (
        canonical(Comparison(column="age", operator="gt", value=40))
        == b'{"column":"age","op":"compare","operator":"gt","value":40}'
    )
