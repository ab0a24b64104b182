"""Answers that come with a view, or lead to one.

Bulk data is never in a message: it comes beside it as one descriptor, sealed to the kernel's key
(docs/spec/view-v1.md).
"""

from __future__ import annotations

from jupyter_secure.protocol.access import AccessRequest
from jupyter_secure.protocol.decision import ColumnReason
from jupyter_secure.protocol.noun import Count, DatasetName, PurposeName
from jupyter_secure.protocol.view import ColumnView, Rung

from .message import Message


class Progress(Message):
    """How far the making of a view has come."""

    rows: Count
    total: Count


class Delivery(Message):
    """A view; its content is behind the descriptor that comes with this message.

    Attributes:
        rows: of the sealed version, as the goal of a progress bar, 0 where policy filters rows; the view's own rows are
            in its authenticated stream.
        seal: base64 of the HPKE encapsulation and the encrypted content key; `info` binds it to grant and request.
        seq: the entry in the audit log that permitted it.
        check: how it came through the check that policy asks for, in words.
    """

    dataset: DatasetName
    version: Count
    rung: Rung
    columns: tuple[ColumnView, ...]
    left_out: tuple[ColumnReason, ...]
    purpose: PurposeName | None
    rows: Count
    seal: str
    info: str
    seq: Count
    check: str = ""


class SteppedUp(Message):
    """Whether the challenge is proved, so that the same request would now be permitted."""

    verified: bool


class AccessReply(Message):
    """A request for access as it stands."""

    request: AccessRequest
