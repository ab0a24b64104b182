"""Which computers a kernel may reach: `[[egress]]` compiled, and the decision about one connection. Pure.

Promises: without a table nothing is reached; a name never stands for an address and an address never for a name; a
pattern `*.example.org` means what lies below `example.org`; once a kernel got a masked or raw view it reaches only
what a table keeps open `after` that.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.host import is_address, normal_host
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung

from .compile_rule import audience
from .parse import Parsed
from .places import Path
from .policy import Policy
from .rules import Egress, Target

WEB = (80, 443)
_FORM = "write a name, *.name or an address, and after a colon the port if it is neither 80 nor 443"


class Reach(NamedTuple):
    """What a kernel reaches now, and what it no longer reaches because of what it loaded."""

    open: tuple[str, ...]
    closed: tuple[str, ...]


def compile_egress(parsed: Parsed) -> tuple[Egress, ...]:
    """Return the tables in the order of their ids.

    Raises:
        PolicyError: a host is none, or an id stands there twice.
    """
    seen: dict[str, int] = {}
    for place, table in enumerate(parsed.document.egress):
        if table.id in seen:
            parsed.fail(("egress", place, "id"), f"table {seen[table.id] + 1} has the same id")
        seen[table.id] = place
    tables = (
        Egress(
            id=table.id,
            to=audience(table.to),
            hosts=tuple(
                sorted(
                    {_target(parsed, ("egress", place, "hosts", index), it) for index, it in enumerate(table.hosts)},
                    key=lambda target: target.shown,
                )
            ),
            after=tuple(sorted(map(Rung, set(table.after)))),
        )
        for place, table in enumerate(parsed.document.egress)
    )
    return tuple(sorted(tables, key=lambda table: table.id))


def permits(policy: Policy, principal: Principal, loaded: AbstractSet[Rung], host: str, port: int) -> str | None:
    """Return the id of a table that lets a kernel, which has `loaded` such views, connect; None if none does."""
    for table in _of(policy, principal):
        if loaded <= set(table.after) and any(_matches(target, host, port) for target in table.hosts):
            return table.id
    return None


def reach(policy: Policy, principal: Principal, loaded: AbstractSet[Rung]) -> Reach:
    """Return the hosts of all tables for a person, as they are shown."""
    now = {it.shown for table in _of(policy, principal) if loaded <= set(table.after) for it in table.hosts}
    ever = {it.shown for table in _of(policy, principal) for it in table.hosts}
    return Reach(tuple(sorted(now)), tuple(sorted(ever - now)))


def _of(policy: Policy, principal: Principal) -> list[Egress]:
    return [table for table in policy.terms.egress or () if table.to.holds(principal)]


def _matches(target: Target, host: str, port: int) -> bool:
    if port not in (target.ports or WEB):
        return False
    if target.below:
        return host.endswith(f".{target.host}") and not is_address(host)
    return host == target.host


def _target(parsed: Parsed, path: Path, text: str) -> Target:
    below = text.startswith("*.")
    name, port = _split(text.removeprefix("*."))
    try:
        host = normal_host(name)
    except InvalidRequestError:
        parsed.fail(path, f"{text!r} is not a host; {_FORM}" + ("" if text.isascii() else "; write it as xn--"))
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        parsed.fail(path, f"{text!r} has no port from 1 to 65535")
    if below and (is_address(host) or "." not in host):
        parsed.fail(path, f"{text!r} would open too much; name at least *.example.org")
    return Target(host=host, below=below, ports=(int(port),) if port else ())


def _split(text: str) -> tuple[str, str]:
    # An IPv6 address has colons of its own; with a port it stands in brackets.
    if text.endswith(":") or (text.count(":") > 1 and "]:" not in text):
        return text, ""
    name, _, port = text.rpartition(":") if ":" in text else (text, "", "")
    return name, port
