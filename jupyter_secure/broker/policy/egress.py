"""Which computers a kernel may reach: `[[egress]]` compiled, and the decision about one connection. Pure.

Promises: without a table nothing is reached; a name never stands for an address and an address never for a name; a
pattern `*.example.org` means what lies below `example.org`; once a kernel got a masked or raw view it reaches only
what a table keeps open `after` that.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

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
_TARGET = re.compile(r"(?P<below>\*\.)?(?P<host>\[[^\[\]]+\]|[^:\[\]]+)(?::(?P<port>[1-9][0-9]{0,4}))?\Z")
_FORM = (
    "write a name (in ASCII, as xn--), *.name, an address or an IPv6 address in brackets, "
    "and after a colon the port if it is neither 80 nor 443"
)


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


def reach(policy: Policy, principal: Principal, loaded: AbstractSet[Rung]) -> tuple[str, ...]:
    """Return the hosts that a kernel reaches now, as they are shown."""
    now = {it.shown for table in _of(policy, principal) if loaded <= set(table.after) for it in table.hosts}
    return tuple(sorted(now))


def _of(policy: Policy, principal: Principal) -> list[Egress]:
    return [table for table in policy.terms.egress or () if table.to.holds(principal)]


def _matches(target: Target, host: str, port: int) -> bool:
    below = host.endswith(f".{target.host}") and not is_address(host)
    return (below if target.below else host == target.host) and (
        port == target.port or (not target.port and port in WEB)
    )


def _target(parsed: Parsed, path: Path, text: str) -> Target:
    found = _TARGET.match(text)
    port = int(found["port"] or 0) if found else 0
    try:
        host = normal_host(found["host"] if found and port < 1 << 16 else "")
    except InvalidRequestError:
        parsed.fail(path, f"{text!r} is not a host; {_FORM}")
    below = found is not None and bool(found["below"])
    if below and (is_address(host) or "." not in host):
        parsed.fail(path, f"{text!r} would open too much; name at least *.example.org")
    return Target(host=host, below=below, port=port)
