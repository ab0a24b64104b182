"""A decision that is in the log, and what is said of it afterwards: to the kernel, and to the log when it has ended."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.decision import Decision
from jupyter_secure.protocol.messages import Delivery
from jupyter_secure.protocol.record import Header, Kind
from jupyter_secure.protocol.view import ViewSpec


@dataclass(frozen=True)
class Ruling:
    """A decision that is in the log.

    Attributes:
        request: joins the entries of one request.
        seq: number of the entry.
        digest: of the decision.
    """

    request: str
    seq: int
    digest: str
    version: DatasetVersion
    decision: Decision
    view: ViewSpec


def delivery(ruling: Ruling, seal: str, info: str) -> Delivery:
    """Return the message that comes with a view; `info` is what `seal` is bound to."""
    view = ruling.view
    crossing = {column.name for column in view.columns}
    return Delivery(
        dataset=view.dataset,
        version=view.version,
        rung=view.rung,
        columns=view.columns,
        left_out=tuple(reason for reason in ruling.decision.reasons if reason.column not in crossing),
        purpose=view.purpose,
        # How many rows there are in all is not told to whom policy gives some of them.
        rows=0 if view.partial else ruling.version.rows,
        seal=seal,
        info=info,
        seq=ruling.seq,
    )


def outcome(ruling: Ruling, kind: Kind, now: int, word: str = "done") -> Header:
    """Return the entry that tells how a permitted request ended, joined to its decision."""
    view = ruling.view
    return Header(
        time=now,
        kind=kind,
        outcome=word,
        request=ruling.request,
        reference=ruling.seq,
        dataset=view.dataset,
        version=view.version,
        rung=view.rung,
        columns=tuple(column.name for column in view.columns),
        policy=ruling.decision.policy,
        decision=ruling.digest,
    )
