"""What `[[egress]]` says, and the decision about one connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.egress import permits, reach
from jupyter_secure.protocol.errors import PolicyError
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung

POLICY = compile_text("""
[[egress]]
id = "web"
to = ["role:scientist"]
hosts = ["PyPI.org.", "*.example.org", "example.net:8443", "127.0.0.2:8080", "[::1]:99"]

[[egress]]
id = "always"
to = ["user:ann"]
hosts = ["mirror.example.com"]
after = ["masked"]
""")


def person(name="ann", *roles):
    return Principal(name=name, display_name=name, roles=roles)


SCIENTIST = person("bob", "scientist")


@pytest.mark.parametrize(
    ("host", "port", "table"),
    [
        ("pypi.org", 443, "web"),
        ("pypi.org", 80, "web"),
        ("pypi.org", 22, None),
        ("files.pypi.org", 443, None),
        ("a.example.org", 443, "web"),
        ("b.a.example.org", 443, "web"),
        ("example.org", 443, None),
        ("badexample.org", 443, None),
        ("example.org.evil.net", 443, None),
        ("example.net", 8443, "web"),
        ("example.net", 443, None),
        ("127.0.0.2", 8080, "web"),
        ("127.0.0.2", 80, None),
        ("::1", 99, "web"),
        ("mirror.example.com", 443, None),
    ],
)
def test_only_what_is_named_is_permitted(host, port, table):
    assert permits(POLICY, SCIENTIST, set(), host, port) == table


def test_a_table_speaks_of_whom_it_names():
    assert permits(POLICY, person("ann"), set(), "mirror.example.com", 443) == "always"
    assert permits(POLICY, person("ann"), set(), "pypi.org", 443) is None


def test_a_view_closes_what_is_not_kept_open_after_it():
    both = person("ann", "scientist")
    assert permits(POLICY, both, {Rung.MASKED}, "pypi.org", 443) is None
    assert permits(POLICY, both, {Rung.MASKED}, "mirror.example.com", 443) == "always"
    assert permits(POLICY, both, {Rung.RAW}, "mirror.example.com", 443) is None
    assert permits(POLICY, both, {Rung.RAW, Rung.MASKED}, "mirror.example.com", 443) is None
    assert reach(POLICY, both, {Rung.MASKED}) == ("mirror.example.com",)
    everything = ("*.example.org", "127.0.0.2:8080", "[::1]:99", "example.net:8443", "mirror.example.com", "pypi.org")
    assert reach(POLICY, both, set()) == everything


def test_without_a_table_nothing_is_reached_and_the_digest_is_that_of_older_policies():
    none = compile_text("")
    assert permits(none, SCIENTIST, set(), "pypi.org", 443) is None
    assert none.digest == "787b3c9284b0bc876a73f5ac48744e01a9965e80f372b4013a29302abcb11e17"


@given(
    st.sampled_from(["pypi.org", "a.example.org", "example.net", "127.0.0.2", "mirror.example.com", "x.y"]),
    st.sampled_from([80, 99, 443, 8080, 8443]),
    st.sets(st.sampled_from([Rung.MASKED, Rung.RAW])),
    st.sets(st.sampled_from([Rung.MASKED, Rung.RAW])),
)
def test_more_that_was_loaded_never_opens_anything(host, port, loaded, further):
    both = person("ann", "scientist")
    if permits(POLICY, both, loaded | further, host, port):
        assert permits(POLICY, both, loaded, host, port)


@given(st.text("abc.*-:", max_size=12))
def test_a_pattern_is_refused_with_its_line_or_opens_no_other_domain(pattern):
    text = f'[[egress]]\nid = "a"\nto = ["everyone"]\nhosts = ["{pattern}"]\n'
    said = ""
    try:
        policy = compile_text(text)
    except PolicyError as error:
        said, policy = str(error), compile_text("")
    assert not said or said.startswith("line 4: [[egress]] 1 ('a') -> hosts")
    assert permits(policy, SCIENTIST, set(), "evil.example", 443) is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('hosts = ["http://x"]', "line 4: [[egress]] 1 ('a') -> hosts[1]"),
        ('hosts = ["fine.org", "x.1"]', "hosts[2]: 'x.1' is not a host"),
        ('hosts = ["*.org"]', "would open too much"),
        ('hosts = ["*"]', "is not a host"),
        ('hosts = ["*.127.0.0.1"]', "would open too much"),
        ('hosts = ["a.b:0"]', "is not a host"),
        ('hosts = ["a.b:65536"]', "is not a host"),
        ('hosts = ["a.b:٣"]', "is not a host"),
        ('hosts = ["::1"]', "in brackets"),
        ('hosts = ["[a.b"]', "is not a host"),
        ('hosts = ["a.b:"]', "is not a host"),
        ('hosts = ["münchen.de"]', "xn--"),
        ("hosts = []", "hosts"),
        ('hosts = ["a.b"]\nafter = ["dp"]', "known are masked, raw"),
        ('hots = ["a.b"]', "perhaps `hosts` is meant"),
    ],
)
def test_a_fault_is_told_with_its_place(fields, said):
    with pytest.raises(PolicyError) as caught:
        compile_text(f'[[egress]]\nid = "a"\nto = ["everyone"]\n{fields}\n')
    assert said in str(caught.value)


def test_two_tables_have_two_ids():
    table = '[[egress]]\nid = "a"\nto = ["everyone"]\nhosts = ["a.b"]\n'
    with pytest.raises(PolicyError, match="table 1 has the same id"):
        compile_text(table * 2)
