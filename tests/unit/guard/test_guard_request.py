"""The head of a request to the proxy: two forms, and nothing that can be read in two ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_secure.guard.request import read
from jupyter_secure.protocol.errors import InvalidRequestError


def head(*lines):
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        ("CONNECT pypi.org:443 HTTP/1.1", "pypi.org", 443),
        ("CONNECT PyPI.ORG.:443 HTTP/1.0", "pypi.org", 443),
        ("CONNECT [::1]:8443 HTTP/1.1", "::1", 8443),
        ("GET http://example.org HTTP/1.1", "example.org", 80),
        ("GET http://example.org:8080/a?b=c HTTP/1.1", "example.org", 8080),
        ("GET http://[2001:db8::1]/ HTTP/1.1", "2001:db8::1", 80),
    ],
)
def test_host_and_port_are_read(line, host, port):
    wanted = read(head(line))
    assert (wanted.host, wanted.port) == (host, port)


def test_the_other_side_hears_of_the_host_that_was_asked_about_and_of_one_request():
    wanted = read(
        head(
            "POST http://Good.org/a?b HTTP/1.1",
            "Host: evil.org",
            "Proxy-Authorization: secret",
            "Proxy-Connection: keep-alive",
            "Connection: keep-alive",
            "Content-Length: 2",
            "X-Own: 1",
        )
    )
    assert wanted.first == head(
        "POST /a?b HTTP/1.1", "Host: good.org", "Connection: close", "Content-Length: 2", "X-Own: 1"
    )
    assert b"Host: [::1]:8\r\n" in read(head("GET http://[::1]:8/ HTTP/1.1")).first


def test_a_tunnel_sends_nothing_of_its_own():
    assert read(head("CONNECT a.org:443 HTTP/1.1", "Host: a.org")).first == b""


@pytest.mark.parametrize(
    "lines",
    [
        ["GET / HTTP/1.1", "Host: a.org"],
        ["GET https://a.org/ HTTP/1.1"],
        ["GET HTTP://a.org/ HTTP/1.1"],
        ["GET file:///etc/passwd HTTP/1.1"],
        ["CONNECT a.org HTTP/1.1"],
        ["CONNECT a.org: HTTP/1.1"],
        ["CONNECT a.org:0 HTTP/1.1"],
        ["CONNECT a.org:65536 HTTP/1.1"],
        ["CONNECT a.org:+443 HTTP/1.1"],
        ["CONNECT http://a.org:443 HTTP/1.1"],
        ["CONNECT a.org:443 HTTP/2.0"],
        ["CONNECT a.org:443"],
        ["CONNECT  a.org:443 HTTP/1.1"],
        ["connect a.org:443 HTTP/1.1"],
        ["CONNECT user@a.org:443 HTTP/1.1"],
        ["GET http://good.org@evil.org/ HTTP/1.1"],
        ["GET http://good.org:80@evil.org/ HTTP/1.1"],
        ["GET http://good.org\\@evil.org/ HTTP/1.1"],
        ["GET http://good.org#@evil.org/ HTTP/1.1"],
        ["GET http:///a HTTP/1.1"],
        ["GET http://a.org/\tb HTTP/1.1"],
        ["CONNECT 2130706433:80 HTTP/1.1"],
        ["CONNECT 0x7f.1:80 HTTP/1.1"],
        ["CONNECT 0177.0.0.1:80 HTTP/1.1"],
        ["CONNECT 127.1:80 HTTP/1.1"],
        ["CONNECT ::1:80 HTTP/1.1"],
        ["CONNECT [::1]]:80 HTTP/1.1"],
        ["CONNECT [fe80::1%25eth0]:80 HTTP/1.1"],
        ["CONNECT m\xfcnchen.de:443 HTTP/1.1"],
        ["CONNECT a..b:443 HTTP/1.1"],
        ["CONNECT a.org%00.evil.org:443 HTTP/1.1"],
    ],
)
def test_another_first_line_is_refused(lines):
    with pytest.raises(InvalidRequestError):
        read(head(*lines))


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 1", "Content-Length: 1"],
        ["Content-Length: 1", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "transfer-encoding: identity"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding : chunked"],
        ["Content-Length: +1"],
        ["Content-Length: 1, 1"],
        ["Content-Length: 0x1"],
        ["Host: a", "Host: b"],
        [" folded"],
        ["X: a\n Y: b"],
        ["X: a\nContent-Length: 5"],
        ["X: a\rContent-Length: 5"],
        ["X: a\0b"],
        ["no colon"],
        [": empty"],
    ],
)
def test_a_header_that_can_be_read_in_two_ways_is_refused(headers):
    with pytest.raises(InvalidRequestError):
        read(head("POST http://a.org/ HTTP/1.1", *headers))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        wanted = read(data + b"\r\n\r\n")
    except InvalidRequestError:
        return
    assert wanted.host


@given(st.text("abGET htp:/.@\r\n #?[]", max_size=60), st.text("aH:ost \r\n,1", max_size=40))
def test_what_is_sent_on_has_one_first_line_and_our_host(target, header):
    try:
        wanted = read(f"GET http://{target} HTTP/1.1\r\n{header}\r\n\r\n".encode("latin-1"))
    except InvalidRequestError:
        return
    lines = wanted.first.decode("latin-1").split("\r\n")
    assert [line for line in lines if line.lower().startswith("host:")] == [lines[1]]
    assert "\n" not in "".join(lines)
