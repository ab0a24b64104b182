"""`jupyter secure requests`: list requests for access, and decide them as a steward or officer; needs no passphrase.

Whoever decides proves to be the account named by `--as`, with its password (`--password-stdin` reads it from standard
input). The same rules hold as in the sidebar: nobody decides his own request, the first decision counts, every step is
in the log. A number may be shortened as long as it names one request.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.requests.store import Requests
from jupyter_secure.broker.service.requests import Access
from jupyter_secure.broker.vault import Vault
from jupyter_secure.protocol.access import AccessRequest, RequestState
from jupyter_secure.protocol.errors import InvalidRequestError, RefusedError, UnauthenticatedError
from jupyter_secure.protocol.messages import AccessReply, Decide, Revoke
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.record import Header, Kind

from . import tables
from .asking import read_secret
from .vault import acting_person, open_vault

SHORT = 8  # digits of a number that are shown


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `requests list | approve | deny | revoke`."""
    parser = subparsers.add_parser("requests", help="list and decide requests for access")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", parents=[common], help="list requests, the open ones first")
    listing.add_argument("--open", action="store_true", help="only those that wait for a decision")
    listing.set_defaults(run=run_list)
    for verb, words in (
        ("approve", "give access, for the days asked for or others"),
        ("deny", "refuse a request"),
        ("revoke", "end an approval at once"),
    ):
        one = verbs.add_parser(verb, parents=[common], help=words)
        one.add_argument("number", metavar="NUMBER")
        one.add_argument("--as", dest="account", required=True, metavar="NAME", help="the account that decides")
        one.add_argument("--note", default="", metavar="TEXT", help="a line for the person and for the log")
        if verb == "approve":
            one.add_argument("--days", type=int, metavar="N", help="for how long; default: as asked for")
        one.set_defaults(run=run_change)


def run_list(args: argparse.Namespace) -> int:
    """List requests."""
    with open_vault(args, unlock=False) as vault:
        found: Sequence[AccessRequest] = Requests(vault.engine, vault.now).list()
    if args.open:
        found = [it for it in found if it.state is RequestState.REQUESTED]
    if args.json:
        print(msgspec.json.encode(found).decode())
    elif not found:
        print("Nobody waits for a decision." if args.open else "Nobody has asked for access yet.")
    else:
        tables.show(("number", "state", "who", "what", "purpose", "days", "until", "reason"), map(_row, found))
    return 0


def run_change(args: argparse.Namespace) -> int:
    """Approve, deny or revoke one request."""
    with open_vault(args, unlock=False) as vault:
        by = _proved(vault, args)
        requests = Requests(vault.engine, vault.now)
        number = _number(requests, args.number)
        access = Access(vault, Policies(vault), requests, _nobody_listens)
        reply = asyncio.run(_change(access, by, number, args))
    if args.json:
        print(msgspec.json.encode(reply.request).decode())
    else:
        print(_sentence(reply.request))
    return 0


async def _change(access: Access, by: Principal, number: str, args: argparse.Namespace) -> AccessReply:
    fields = {"ticket": "", "request": number, "note": args.note}
    if args.verb == "revoke":
        return await access.revoke(by, _message(Revoke, fields))
    approve = args.verb == "approve"
    days = args.days if approve else None
    return await access.decide(by, _message(Decide, {**fields, "approve": approve, "days": days}))


def _message(kind: Any, fields: dict[str, Any]) -> Any:
    try:
        return msgspec.convert({"type": kind.__name__, **fields}, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(
            "A note is one line of at most 500 characters, days are 1 to 366.", detail=str(error)
        ) from None


def _proved(vault: Vault, args: argparse.Namespace) -> Principal:
    password = read_secret(args, f"password of {args.account}")
    try:
        return Accounts(vault.engine, vault.now).verify_password(args.account, password)
    except UnauthenticatedError:
        header = Header(time=vault.now(), kind=Kind.LOGIN_FAILED, outcome="refused")
        vault.audit.append(header, msgspec.structs.replace(acting_person(), user=args.account[:63]))
        raise


def _number(requests: Requests, typed: str) -> str:
    if len(typed) == 32:
        return typed
    found = [it.id for it in requests.list() if len(typed) >= SHORT and it.id.startswith(typed)]
    if len(found) != 1:
        raise RefusedError("No one request has that number. `jupyter secure requests list` shows them.")
    return found[0]


async def _nobody_listens(_notebook: str | None) -> None:
    """Panels of a running server learn of it at their next look."""


def _row(it: AccessRequest) -> tuple[object, ...]:
    what = f"{it.dataset} as {it.rung}"
    return it.id[:SHORT], it.state, it.user, what, it.purpose or "", it.days, _moment(it.until), it.reason


def _sentence(it: AccessRequest) -> str:
    what = f"{it.user}'s request for {it.dataset} as {it.rung}"
    if it.state is RequestState.APPROVED:
        return f"{what} is approved until {_moment(it.until)}."
    return f"{what} is {it.state}."


def _moment(instant: int | None) -> str:
    return "" if instant is None else dt.datetime.fromtimestamp(instant / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
