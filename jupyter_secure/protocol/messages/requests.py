"""Requests for access: a person decides at the sidebar, never a kernel."""

from __future__ import annotations

from typing import Annotated

import msgspec

from jupyter_secure.protocol.access import AccessOffer, AccessRequest, Days, Note, PurposeOffer, RequestId
from jupyter_secure.protocol.noun import PurposeName

from .asked import AskAccess
from .message import Confidential, Message, Text


class ListRequests(Confidential):
    """Ask for the person's own requests, and for whom decides, everybody's. Answered by `RequestsReply`."""

    ticket: Text


class PanelAsk(Confidential):
    """The panel's `AskAccess`. Answered by `AccessReply`."""

    ticket: Text
    ask: AskAccess


class Decide(Confidential):
    """Approve or deny what somebody else asked for. Answered by `AccessReply`.

    Attributes:
        days: for how long; None approves what was asked for.
    """

    ticket: Text
    request: RequestId
    approve: bool
    days: Days | None = None
    note: Note = ""


class Revoke(Confidential):
    """End an approval at once, or withdraw one's own open request. Answered by `AccessReply`."""

    ticket: Text
    request: RequestId
    note: Note = ""


class Acknowledge(Confidential):
    """Acknowledge the text of a purpose, named by its digest. Answered by `Done`."""

    ticket: Text
    purpose: PurposeName
    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


AccessMessage = ListRequests | PanelAsk | Decide | Revoke | Acknowledge


class RequestsReply(Message):
    """Requests, and what could be asked for.

    Attributes:
        mine: the person's own.
        others: everybody else's, for whom decides; else empty.
        decides: whether the person may decide what others ask for.
        stale: requests whose rules have changed since; an approval of them opens nothing.
        offers: what the person could ask for.
        purposes: what the person's own rules name.
    """

    mine: tuple[AccessRequest, ...]
    others: tuple[AccessRequest, ...]
    decides: bool
    stale: tuple[RequestId, ...]
    offers: tuple[AccessOffer, ...]
    purposes: tuple[PurposeOffer, ...]
