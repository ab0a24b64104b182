"""One computer, one spelling; what could be read in two ways is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.host import is_address, normal_host


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("PyPI.org", "pypi.org"),
        ("pypi.org.", "pypi.org"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("a_b.example", "a_b.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("[FE80::1]", "fe80::1"),
    ],
)
def test_it_has_one_spelling(written, normal):
    assert normal_host(written) == normal


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "..",
        "a..b",
        "pypi.org..",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "1.2.3.4.",
        "fe80::1%eth0",
        "[127.0.0.1",
        "user@pypi.org",
        "pypi.org:443",
        "pypi.org/",
        "pypi.org\r\nHost: x",
        "pypi.org\n",
        "pypi.org\0",
        " pypi.org",
        "münchen.de",
        "pypi。org",
        "-a.org",
        "a-.org",
        "*.org",
        "a" * 64 + ".org",
        ".".join(["a" * 60] * 5),
    ],
)
def test_what_is_none_is_refused(written):
    with pytest.raises(InvalidRequestError):
        normal_host(written)


@given(st.text(max_size=40))
def test_a_normal_form_is_its_own_normal_form_or_there_is_none(text):
    try:
        once = normal_host(text)
    except InvalidRequestError:
        return
    assert normal_host(once) == once
    assert once.isascii()
    assert once == once.lower()


@given(st.integers(0, 2**32 - 1))
def test_an_address_as_a_number_is_none(number):
    for spelled in (str(number), hex(number), oct(number).replace("o", "")):
        with pytest.raises(InvalidRequestError):
            normal_host(spelled)


@given(st.ip_addresses())
def test_an_address_stays_one(address):
    assert is_address(normal_host(str(address)))
