"""The head of a request to the proxy, read strictly. Pure.

Two forms are understood: `CONNECT host:port`, and a method with an absolute `http` address. Promises: what two programs
could read in two ways is refused, not mended: a bare line feed, a folded or repeated header, two lengths, a person's
name in the address, a host that is none; the host that was asked about is the host that is named to the other side;
one connection carries one request.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.host import normal_host

LONGEST = 16_384  # bytes of a head
_LINE = re.compile(r"([A-Z]{1,20}) ([\x21-\x7e]{1,8000}) HTTP/1\.[01]\Z")
_ADDRESS = re.compile(r"http://([^/?#]*)([/?][^#]*)?\Z")
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:@\[\]]+)(?::([0-9]{1,5}))?\Z")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)\Z")
_OWN = ("host", "connection", "keep-alive", "upgrade", "te", "trailer")  # of one hop, or ours to say
_ONCE = ("content-length", "transfer-encoding", "host")


class Wanted(NamedTuple):
    """Where to connect, and what to send there first; nothing for a tunnel."""

    host: str
    port: int
    first: bytes
    tunnel: bool


def read(head: bytes) -> Wanted:
    """Return what a head, up to and with its empty line, asks for.

    Raises:
        InvalidRequestError: it is not one of the two forms.
    """
    lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    found = _LINE.match(lines[0])
    if found is None:
        raise malformed("the first line")
    method, target = found.groups()
    headers = _headers(lines[1:])
    if method == "CONNECT":
        host, port = _place(target, None)
        return Wanted(host, port, b"", tunnel=True)
    address = _ADDRESS.match(target)
    if address is None:
        raise malformed("the address")
    host, port = _place(address.group(1), 80)
    path = address.group(2) or "/"
    path = path if path.startswith("/") else f"/{path}"
    named = f"[{host}]" if ":" in host else host
    ours = [("Host", named if port == 80 else f"{named}:{port}"), ("Connection", "close")]
    passed = [pair for pair in headers if pair[0].lower() not in _OWN and not pair[0].lower().startswith("proxy-")]
    text = "".join(f"{name}: {value}\r\n" for name, value in [*ours, *passed])
    return Wanted(host, port, f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode("latin-1"), tunnel=False)


def _headers(lines: list[str]) -> list[tuple[str, str]]:
    headers = []
    for line in lines:
        found = _HEADER.match(line)
        if found is None:
            raise malformed("a header")
        headers.append((found.group(1), found.group(2).strip(" \t")))
    names = [name.lower() for name, _ in headers]
    both = "content-length" in names and "transfer-encoding" in names
    if both or any(names.count(name) > 1 for name in _ONCE):
        raise malformed("two headers that contradict each other")
    for name, value in headers:
        length = name.lower() == "content-length" and not (value.isascii() and value.isdigit())
        if length or (name.lower() == "transfer-encoding" and value.lower() != "chunked"):
            raise malformed("the length of the body")
    return headers


def _place(text: str, port: int | None) -> tuple[str, int]:
    found = _PLACE.match(text)
    number = int(found.group(2)) if found and found.group(2) else port
    if found is None or not number or number >= 1 << 16:
        raise malformed("the host")
    return normal_host(found.group(1)), number


def malformed(what: str) -> InvalidRequestError:
    """Return the refusal of a head."""
    return InvalidRequestError(f"The guard's proxy does not understand {what} of the request.")
