"""A decision that is in the log, and what is said of it afterwards: to the kernel, and to the log when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyter_secure.protocol.dataset import DatasetVersion
from jupyter_secure.protocol.decision import Decision
from jupyter_secure.protocol.messages import Delivery
from jupyter_secure.protocol.record import Header, Kind
from jupyter_secure.protocol.view import Checked, ColumnView, ViewSpec


@dataclass(frozen=True)
class Ruling:
    """A decision that is in the log.

    Attributes:
        request: joins the entries of one request.
        seq: number of the entry.
        digest: of the decision.
        extra: what every entry of the request says besides.
    """

    request: str
    seq: int
    digest: str
    version: DatasetVersion
    decision: Decision
    view: ViewSpec
    extra: Mapping[str, str] = field(default_factory=dict)


def delivery(ruling: Ruling, seal: str, info: str, checked: Checked | None = None) -> Delivery:
    """Return the message that comes with a view; `info` is what `seal` is bound to."""
    view = ruling.view
    columns = coarser(view, checked)
    crossing = {column.name for column in view.columns}
    return Delivery(
        dataset=view.dataset,
        version=view.version,
        rung=view.rung,
        columns=columns,
        left_out=tuple(reason for reason in ruling.decision.reasons if reason.column not in crossing),
        purpose=view.purpose,
        # How many rows there are in all is not told to whom policy gives some of them.
        rows=0 if view.partial else ruling.version.rows,
        seal=seal,
        info=info,
        seq=ruling.seq,
        check=said_of(view, checked),
    )


def coarser(view: ViewSpec, checked: Checked | None) -> tuple[ColumnView, ...]:
    """Return the columns of a view as they came out of its check."""
    if checked is None or not view.disclosure:
        return view.columns
    chosen = {column.name: column for column in view.disclosure.steps[checked.step]}
    return tuple(chosen.get(column.name, column) for column in view.columns)


def said_of(view: ViewSpec, checked: Checked | None) -> str:
    """Return in words how a view came through its check, empty where there was none."""
    if checked is None or not view.disclosure:
        return ""
    if not checked.smallest:
        return "It has no rows, so nothing in it tells people apart."
    names = ", ".join(column.name for column in view.disclosure.steps[0]) or "no column"
    who = "persons" if view.disclosure.subject else "rows"
    said = f"Each combination of {names} stands for at least {checked.smallest} {who}."
    if checked.step:
        said += f" They are {checked.step} {'step' if checked.step == 1 else 'steps'} coarser than usual for that."
    if checked.left_out and not view.partial:  # to whom only some rows are given, nothing is counted
        said += f" {checked.left_out:,} of {checked.rows:,} rows are left out for that."
    return said


def noted(view: ViewSpec, checked: Checked | None) -> dict[str, str]:
    """Return what the log keeps of a check; people read their own entries, so the rule for counts holds here too."""
    if checked is None:
        return {}
    told = {"check": f"step {checked.step}, smallest class {checked.smallest}"}
    return told if view.partial else {**told, "left_out": str(checked.left_out)}


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
        extra=dict(ruling.extra),
    )
