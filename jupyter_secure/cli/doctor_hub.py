"""`jupyter secure doctor --hub URL`: whether a Hub's broker is well, seen from where the command runs.

Promises: it asks and changes nothing; a token is sent to the Hub alone, and never shown; what cannot be seen from here
is said to be unknown, not good. Each finding says what to do. Exit status 0 if nothing is bad, 1 if something is.

Order: line (TLS) -> health -> readiness -> clocks -> the Hub's API -> the token -> the database's rights.
"""

from __future__ import annotations

import argparse
import email.utils
import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from jupyter_secure.protocol.errors import InvalidRequestError, SecureError
from jupyter_secure.protocol.grant import GuardLevel

from .guard_levels import MEANINGS

PATIENCE = 5.0  # seconds
LARGEST = 1 << 20  # bytes of an answer
SOON = 14 * 24 * 3600  # seconds before a certificate ends
SKEW = 5.0  # seconds between two clocks; codes of apps and ID tokens bear 30
GOOD, BAD, UNKNOWN = "good", "bad", "unknown"
_NO_URL = "Give the broker's address, for example --hub https://broker.example:8490."
_VERIFY = {
    10: ("its certificate has ended", "Renew it; the broker takes the new files up by itself."),
    62: ("its certificate is for another name", "Issue it for the name in the address that servers are given."),
    64: ("its certificate is for another address", "Issue it for the address that servers are given."),
}
_CHAIN = ("its certificate is of an authority unknown here", "Name the authority with --ca, and check the whole chain.")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `do` says what to do about it."""

    check: str
    state: str
    found: str
    do: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a server said; `skew` is its clock minus ours in seconds, None if it does not tell."""

    status: int
    body: Any
    skew: float | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    hub = parser.add_argument_group("a JupyterHub's broker")
    hub.add_argument("--hub", metavar="URL", help="look at the broker at this address instead of at this computer")
    hub.add_argument("--ca", metavar="PEM", help="authority of the broker's certificate (default: the system's)")
    hub.add_argument("--cert", metavar="PEM", help="certificate to show to a broker that demands one (--client-ca)")
    hub.add_argument("--key", metavar="PEM", help="that certificate's private key")
    hub.add_argument("--hub-api", metavar="URL", help="the Hub's API (default: JUPYTERHUB_API_URL)")
    hub.add_argument("--hub-ca", metavar="PEM", help="authority of the Hub's certificate (default: the system's)")


def run(args: argparse.Namespace) -> int:
    """Look and print; return the exit status."""
    findings = list(examine(args))
    bad = any(finding.state == BAD for finding in findings)
    if args.json:
        print(json.dumps({"broker": args.hub, "good": not bad, "findings": [asdict(it) for it in findings]}, indent=2))
        return int(bad)
    for finding in findings:
        print(f"{finding.state:8}{finding.check}: {finding.found}")
        if finding.do:
            print(f"{'':8}-> {finding.do}")
    return int(bad)


def examine(args: argparse.Namespace) -> Iterator[Finding]:
    """Return everything that was found.

    Raises:
        InvalidRequestError: that is no address.
    """
    broker = _address(args.hub)
    tls = _context(args.ca, args.cert, args.key)
    yield _line(broker, tls)
    health, ready = _ask(broker, "/health", tls), _ask(broker, "/ready", tls)
    yield from _health(health)
    yield from _ready(ready)
    yield _clock("the broker", health)
    api = args.hub_api or os.environ.get("JUPYTERHUB_API_URL")
    yield from _hub(api, args.hub_ca)
    yield from _database(args.vault)


def _address(url: str) -> SplitResult:
    try:
        found = urlsplit(url)
        usable = found.scheme in {"http", "https"} and bool(found.hostname) and found.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidRequestError(_NO_URL)
    return found


def _context(ca: str | None, cert: str | None = None, key: str | None = None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert:
            context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError):
        raise InvalidRequestError(
            "A certificate or its key cannot be read. Check --ca, --hub-ca, --cert and --key."
        ) from None
    return context


def _line(broker: SplitResult, tls: ssl.SSLContext) -> Finding:
    if broker.scheme == "http":
        return Finding("line", UNKNOWN, "not encrypted; the broker allows that on its own computer alone.")
    where = (str(broker.hostname), broker.port or 443)
    try:
        with (
            socket.create_connection(where, PATIENCE) as plain,
            tls.wrap_socket(plain, server_hostname=where[0]) as line,
        ):
            ends = ssl.cert_time_to_seconds(str((line.getpeercert() or {})["notAfter"]))
            version = line.version()
    except ssl.SSLCertVerificationError as error:
        found, do = _VERIFY.get(error.verify_code, _CHAIN)
        return Finding("line", BAD, f"{found} ({error.verify_message}).", do)
    except ssl.SSLError as error:
        return Finding(
            "line", BAD, f"no TLS: {error.reason}.", "Check the port, and whether a client certificate is due."
        )
    except OSError as error:
        do = "Check that `jupyter secure serve` runs, its --url or --bind, and network policies between here and there."
        return Finding("line", BAD, f"nobody answers at that address ({type(error).__name__}).", do)
    days = int((ends - time.time()) // 86_400)
    if days * 86_400 < SOON:
        return Finding("line", BAD, f"{version}; the certificate ends in {days} days.", "Renew the certificate.")
    return Finding("line", GOOD, f"{version}; name and chain hold, the certificate ends in {days} days.")


def _health(answer: Answer | None) -> Iterator[Finding]:
    if answer is None or answer.status != 200 or not isinstance(answer.body, dict):
        yield Finding("health", BAD, "the broker does not answer /health.", "Look at the broker's log; start it again.")
        return
    yield Finding("health", GOOD, "the broker answers.")
    try:
        level = GuardLevel(answer.body.get("declared_guard"))
    except ValueError:
        yield Finding("guard", UNKNOWN, "the broker does not say which guard level is declared.", "Upgrade it.")
        return
    do = None
    if not level.reaches(GuardLevel.G2):
        do = (
            "Rules that ask for a guard (G2 by default) give nothing. If servers are pods or machines of their own, "
            "declare what holds even against their users: `serve --declared-guard`."
        )
    yield Finding("guard", GOOD, f"declared {level}: {MEANINGS[level]}. No kernel counts as more.", do)


def _ready(answer: Answer | None) -> Iterator[Finding]:
    told: Any = answer.body if answer is not None and isinstance(answer.body, dict) else {}
    for name, good, bad, do in (
        ("vault", "unlocked.", "locked: no data can be opened.", "Start the broker again with its passphrase."),
        ("database", "takes writes.", "takes no writes.", "Check PostgreSQL, and `jupyter secure migrate`."),
        ("serving", "requests are taken.", "the broker is being stopped.", "Wait for the next one, or start it."),
    ):
        if not isinstance(told.get(name), bool):
            yield Finding(name, UNKNOWN, "the broker does not say.", "Look at /ready.")
        else:
            yield Finding(name, GOOD, good) if told[name] else Finding(name, BAD, bad, do)


def _clock(whose: str, answer: Answer | None) -> Finding:
    if answer is None or answer.skew is None:
        return Finding("clock", UNKNOWN, f"{whose} does not tell the time.")
    if abs(answer.skew) > SKEW:
        found = f"{whose} is {abs(answer.skew):.0f} s {'ahead of' if answer.skew > 0 else 'behind'} this computer."
        return Finding("clock", BAD, found, "Synchronise clocks (NTP): codes, logins and expiry go by them.")
    return Finding("clock", GOOD, f"{whose} and this computer agree.")


def _hub(url: str | None, ca: str | None) -> Iterator[Finding]:
    if not url:
        yield Finding("hub", UNKNOWN, "its API was not named.", "Give --hub-api, or run this where the Hub sets it.")
        return
    api, tls = _address(url), _context(ca)
    answer = _ask(api, "/", tls)
    if answer is None or answer.status != 200 or not isinstance(answer.body, dict):
        do = "Check that the Hub runs, and --hub-api: the broker must reach it, or everybody is refused."
        yield Finding("hub", BAD, "its API does not answer.", do)
        return
    yield Finding("hub", GOOD, f"its API answers (JupyterHub {str(answer.body.get('version'))[:20]}).")
    yield _clock("the Hub", answer)
    token = os.environ.get("JUPYTERHUB_API_TOKEN")
    if not token:
        do = "The broker needs no right at the Hub. To look at a server's token, run this in a terminal on that server."
        yield Finding("token", UNKNOWN, "none in JUPYTERHUB_API_TOKEN.", do)
        return
    yield from _token(_ask(api, "/user", tls, token))


def _token(answer: Answer | None) -> Iterator[Finding]:
    from jupyter_secure.broker.authn.hub import read_model

    if answer is None or answer.status != 200:
        do = "Start the server again in the Hub, which gives it a new one."
        yield Finding("token", BAD, "the Hub does not know it (any more).", do)
        return
    try:
        proved = read_model(answer.body, 0)
    except SecureError as error:
        yield Finding("token", BAD, error.public, "Look at who the token was made for.")
        return
    wide = [scope for scope in answer.body["scopes"] if scope.split("!")[0] in {"tokens", "shares", "admin:users"}]
    if wide:
        do = "Take it out of the role: whoever has this token can make more of them or let others in."
        yield Finding("token", BAD, f"it carries {', '.join(sorted(map(str, wide)))}.", do)
    if proved.principal is None:
        metrics = "may read metrics" if proved.metrics else "may not read metrics (scope read:metrics)"
        yield Finding("token", GOOD, f"of a service, which {metrics}; more it needs not.")
        return
    if proved.server is None:
        do = "Give the Hub's role `server` the scope access:servers!server; see docs/operating.md."
        yield Finding("token", BAD, "it is not of one server alone, so no kernel gets a grant by it.", do)
    if not proved.principal.roles:
        do = "Put the person into the group of a role, and its scope into the role `server`; see docs/operating.md."
        yield Finding("token", BAD, "it carries no role, so policy gives it nothing.", do)
    elif proved.server is not None:
        yield Finding("token", GOOD, f"of a server, with the roles {', '.join(proved.principal.roles)}.")


def _database(vault: str | None) -> Iterator[Finding]:
    from jupyter_secure.broker.store.folder import VaultFolder, vault_path

    path = vault_path(vault)
    try:
        url = VaultFolder(path).database_url if Path(path).exists() else None
    except SecureError:
        url = None
    if url is None:
        do = "Run this as the broker's user on the broker's computer, with --vault, to look at its rights."
        yield Finding("rights", UNKNOWN, "the vault is not to be seen from here.", do)
    elif url.startswith("sqlite"):
        do = "For a service, keep the database in PostgreSQL under two roles; see docs/operating.md."
        yield Finding("rights", BAD, "the database is a file that the broker owns, so it could rewrite the log.", do)
    else:
        yield _rights(url)


def _rights(url: str) -> Finding:
    from jupyter_secure.broker.store import database, tables
    from jupyter_secure.broker.store.metadata import METADATA
    from jupyter_secure.broker.store.rights import excess
    from jupyter_secure.broker.store.tables.audit import TRIGGERS
    from jupyter_secure.broker.store.triggers import not_in_force

    tables.load()
    engine = None
    try:
        engine = database.open_database(url)
        with engine.connect() as connection:
            too_much = excess(connection, METADATA.tables.values())
            dropped = not_in_force(connection, TRIGGERS)
    except SecureError as error:
        return Finding("rights", BAD, error.public, "Run this as the broker's user, with the same settings.")
    finally:
        if engine is not None:
            engine.dispose()
    if too_much:
        do = "Use two roles: the owner runs `jupyter secure migrate --grant-to ROLE`, the broker connects as ROLE."
        return Finding("rights", BAD, f"the broker's role may rewrite what only grows: {', '.join(too_much)}.", do)
    if dropped:
        do = "Somebody with the owner's rights did that: `jupyter secure audit verify`, then find out who."
        return Finding("rights", BAD, f"protection of the log was removed: {', '.join(dropped)}.", do)
    return Finding("rights", GOOD, "the broker's role may add to the log, and neither change nor remove.")


def _ask(base: SplitResult, path: str, tls: ssl.SSLContext, token: str | None = None) -> Answer | None:
    """Return the answer; None if there is none."""
    make: Callable[..., http.client.HTTPConnection] = http.client.HTTPConnection
    more: dict[str, Any] = {}
    if base.scheme == "https":
        make, more = http.client.HTTPSConnection, {"context": tls}
    connection = make(base.hostname, base.port, timeout=PATIENCE, **more)
    headers = {"Accept": "application/json", **({"Authorization": f"token {token}"} if token else {})}
    began = time.time()
    try:
        connection.request("GET", base.path.rstrip("/") + path, headers=headers)
        answer = connection.getresponse()
        raw = answer.read(LARGEST)
        body = json.loads(raw)
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return Answer(answer.status, body, _skew(answer.getheader("Date"), began))


def _skew(date: str | None, began: float) -> float | None:
    try:
        told = email.utils.parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError):
        return None
    now = time.time()
    # A date has whole seconds: anything between when we asked and now, cut down to seconds, is no difference.
    return 0.0 if int(began) <= told <= now else told - now
