"""Names of other computers in the one form in which they are compared, logged and connected to.

Promises: one computer has one spelling, lower case and without a dot at the end; a spelling that a resolver could read
as an address and a person as a name (`127.1`, `0x7f000001`, `2130706433`) is none; letters beyond ASCII are none, so
that a name in a policy cannot look like another one.
"""

from __future__ import annotations

import ipaddress
import re

from .errors import InvalidRequestError

LONGEST = 253  # characters of a name, RFC 1035
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\Z")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")
_NOT_A_HOST = "That is not the name or the address of a computer."


def normal_host(text: str) -> str:
    """Return the one spelling of a name or an address; an IPv6 address may stand in brackets.

    Raises:
        InvalidRequestError: it is neither.
    """
    address = _address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    if address is not None:
        return str(address)
    name = text.lower() if text.isascii() else ""
    name = name.removesuffix(".")
    labels = name.split(".")
    fits = all(_LABEL.match(label) for label in labels)
    if not fits or len(name) > LONGEST or _NUMBER.match(labels[-1]):
        raise InvalidRequestError(_NOT_A_HOST)
    return name


def is_address(host: str) -> bool:
    """Say whether a host in its normal form is an address."""
    return _address(host) is not None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            raise InvalidRequestError(_NOT_A_HOST)
        return found.ipv4_mapped or found
    return found
