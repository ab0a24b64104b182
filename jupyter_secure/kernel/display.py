"""What a notebook shows of the broker's answers, as HTML and as text.

Each class holds one reply in `.reply`, so that a program reads the same facts that a person sees.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from jupyter_secure.protocol.decision import ColumnReason
from jupyter_secure.protocol.form import form
from jupyter_secure.protocol.messages import (
    AccessReply,
    BudgetReply,
    CatalogReply,
    Delivery,
    Offer,
    Spent,
    StatusReply,
    WhyReply,
)
from jupyter_secure.protocol.treatment import Keep
from jupyter_secure.protocol.view import Rung

from .dp_budget import LOW, WHOSE, left_of, running_out
from .table import Rows, as_html, as_text, paragraphs

COARSE = 0.05  # share of all rows by which a count may be off before it is worth a word
LAST = 5  # questions that are named below the table; `.reply.history` has more
RUNGS = {Rung.RAW: "raw", Rung.MASKED: "masked", Rung.DP: "dp", Rung.DENY: "nothing"}


class Shown:
    """A table with sentences after it."""

    heads: Sequence[str] = ()
    caption = ""

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    def rows(self) -> Rows:
        """Return the cells."""
        raise NotImplementedError

    def sentences(self) -> list[str]:
        """Return what stands below the table."""
        return []

    def __repr__(self) -> str:
        rows = self.rows()
        return "\n".join([*([as_text(self.heads, rows, self.caption)] if rows else []), *self.sentences()])

    def _repr_html_(self) -> str:
        rows = self.rows()
        return (as_html(self.heads, rows, self.caption) if rows else "") + paragraphs(self.sentences())


class CatalogTable(Shown):
    """The datasets that may be used; `.reply.offers` has their columns."""

    reply: CatalogReply
    heads = ("dataset", "version", "rows", "as", "columns", "purposes")

    def rows(self) -> Rows:
        """Return one row for each dataset."""
        return [_offer(offer) for offer in self.reply.offers]

    def sentences(self) -> list[str]:
        """Say how to go on, and what stands in the way where nothing is permitted."""
        if not self.reply.offers:
            return ["No dataset is available to you here. Ask a data steward."]
        blocked = [
            f"{offer.dataset}: {offer.columns[0].reason}"
            for offer in self.reply.offers
            if not offer.rungs and offer.columns
        ]
        return [
            *blocked,
            "Load one with `df = %secure_load NAME`; `%secure_why NAME` says why its columns look as they do.",
        ]


def _offer(offer: Offer) -> list[str]:
    given = [column.name for column in offer.columns if column.treatment is not None]
    return [
        offer.dataset,
        str(offer.version),
        "private" if offer.rows is None else f"{offer.rows:,}",
        ", ".join(RUNGS[rung] for rung in offer.rungs) or "nothing now",
        f"{len(given)} of {len(offer.columns)}",
        ", ".join(offer.purposes),
    ]


class StatusTable(Shown):
    """Who is asking, from where, how confined."""

    reply: StatusReply
    heads = ("", "")

    def rows(self) -> Rows:
        """Return one row for each fact."""
        person, grant = self.reply.principal, self.reply.grant
        return [
            ["person", f"{person.display_name} ({person.name})"],
            ["roles", ", ".join(person.roles) or "none"],
            ["second factor", "never verified" if person.mfa_at is None else f"verified {_moment(person.mfa_at)}"],
            ["notebook", grant.notebook or "none"],
            ["guard", f"{grant.guard.level.value} ({', '.join(grant.guard.layers) or 'no layers'})"],
            ["network", self.reply.network or "No network."],
            ["vault", self.reply.vault],
            ["log", f"{self.reply.log_size:,} entries, root {self.reply.log_root[:16]}"],
        ]

    def sentences(self) -> list[str]:
        """Say what the guard does not enforce."""
        return [f"Not enforced: {sentence}" for sentence in self.reply.grant.guard.missing]


class WhyTable(Shown):
    """Why columns come out as they do."""

    reply: WhyReply
    heads = ("column", "tag", "comes as", "why")

    @property
    def caption(self) -> str:  # type: ignore[override]  # a class attribute elsewhere
        """Name the dataset and the form."""
        return f"{self.reply.dataset}: you get {RUNGS[self.reply.rung]}"

    def rows(self) -> Rows:
        """Return one row for each column."""
        return [
            [
                reason.column,
                reason.tag or "none",
                _treated(reason, self.reply.rung),
                f"{reason.sentence} {reason.advice}".strip(),
            ]
            for reason in self.reply.reasons
        ]

    def sentences(self) -> list[str]:
        """Say which rules would give more."""
        more = [f"Rule {miss.rule} would give {RUNGS[miss.rung]}. {miss.advice}" for miss in self.reply.near_misses]
        return [*([self.reply.check] if self.reply.check else []), *more]


class PreviewTable(Shown):
    """What a load would give: each column's type, treatment and an example of its form. Nothing was opened for it."""

    reply: WhyReply
    kinds: dict[str, str]
    heads = ("column", "type", "comes as", "for example")

    def __init__(self, reply: WhyReply, kinds: dict[str, str]) -> None:
        super().__init__(reply)
        self.kinds = kinds

    @property
    def caption(self) -> str:  # type: ignore[override]  # a class attribute elsewhere
        """Name the dataset and the form."""
        return f"{self.reply.dataset}: a load would give {RUNGS[self.reply.rung]}"

    def rows(self) -> Rows:
        """Return one row for each column."""
        shown = []
        for reason in self.reply.reasons:
            kind = self.kinds.get(reason.column, "")
            example = "" if self.reply.rung is Rung.DP else form(reason.treatment, kind)
            shown.append([reason.column, kind, _treated(reason, self.reply.rung), example])
        return shown

    def sentences(self) -> list[str]:
        """Say where the reasons are."""
        return [f"The examples are made up. `%secure_why {self.reply.dataset}` says why each column comes like this."]


class BudgetTable(Shown):
    """What is left to spend on private questions."""

    reply: BudgetReply
    heads = ("dataset", "whose", "epsilon", "spent", "left", "delta")

    def rows(self) -> Rows:
        """Return one row for each gauge."""
        return [
            [
                gauge.dataset,
                WHOSE[gauge.scope] + _renewed(gauge.renewed),
                gauge.cap,
                gauge.spent or "not told",
                gauge.remaining or "not told",
                gauge.delta,
            ]
            for gauge in self.reply.gauges
        ]

    def sentences(self) -> list[str]:
        """Say what is running out and what spent it, and so where there is nothing; officers are told who spent it."""
        history, nothing = self.reply.history[:LAST], []
        if not self.reply.gauges:
            nothing = ["There is no dataset here that you may ask private questions about."]
        low = [running_out(gauge) for gauge in self.reply.gauges if left_of(gauge) <= LOW[0]]
        several = bool(nothing) or len({it.user for it in history}) > 1
        return [*nothing, *low, *(_spent(it, named=several) for it in history)]


def _renewed(times: int) -> str:
    return ", renewed once" if times == 1 else f", renewed {times} times" if times else ""


def _spent(it: Spent, *, named: bool) -> str:
    columns = f" about {', '.join(it.columns)}" if it.columns else ""
    where = f" in {it.notebook}" if it.notebook else ""
    who = f" by {it.user or 'somebody (erased)'}" if named else ""
    return f"{_moment(it.time // 1000)}: epsilon {it.cost} on {it.dataset}{columns}{where}{who}."


class AccessNote(Shown):
    """What was asked for, and what happens now."""

    reply: AccessReply

    def rows(self) -> Rows:
        """Return nothing: a request is told in a sentence."""
        return []

    def sentences(self) -> list[str]:
        """Say what was asked for, for how long, and who decides."""
        it = self.reply.request
        purpose = f" for {it.purpose}" if it.purpose else ""
        days = f"{it.days} days" if it.days > 1 else "1 day"
        asked = f"You asked for {it.dataset} as {RUNGS[it.rung]}{purpose}, for {days}."
        return [f"{asked} A data steward or an officer decides; the Secure Data sidebar shows how it stands."]


class LoadNote(Shown):
    """One sentence or two about a view that was just loaded."""

    reply: Delivery

    def __init__(self, reply: Delivery, rows: int, asked: Rung | None = None) -> None:
        super().__init__(reply)
        self._rows = rows
        self._asked = asked

    def rows(self) -> Rows:
        """Return nothing: a load is told in sentences."""
        return []

    def sentences(self) -> list[str]:
        """Say what was loaded, what is masked and what was left out."""
        it = self.reply
        lower = f" ({self._asked.value} was asked for)" if self._asked not in (None, it.rung) else ""
        size = f"{self._rows:,} rows, {len(it.columns)} columns"
        told = [f"{it.dataset} version {it.version}, {it.rung.value} view{lower}: {size}."]
        masked = [
            f"{column.name} {column.treatment.label}" for column in it.columns if not isinstance(column.treatment, Keep)
        ]
        if masked:
            told.append(f"Masked: {_few(masked)}.")
        missing = [reason.column for reason in it.left_out]
        if missing:
            told.append(f"Left out: {_few(missing)}. `%secure_why {it.dataset}` says why.")
        if it.check:
            told.append(it.check)
        return [" ".join(told)]


class SyntheticNote(Shown):
    """What to know of synthetic rows that were just made; `.reply` is the `synthetic.Made`."""

    def __init__(self, reply: Any) -> None:
        super().__init__(reply)
        self._rows = reply.table.num_rows  # the table is given up by the conversion

    def rows(self) -> Rows:
        """Return nothing: it is told in sentences."""
        return []

    def sentences(self) -> list[str]:
        """Say that nobody in it is real, what it cost, and what it is good for."""
        it = self.reply
        about, free = it.about, "free, from the record" if it.about["repeated"] else f"epsilon {it.about['epsilon']}"
        one, pair = (about["margins"][f"count of a {what}"] for what in ("cell", "pair"))
        told = [f"{about['dataset']} version {about['version']}, synthetic: {self._rows:,} made-up rows, {free}."]
        told.append(f"They stand for about {it.counted:,}; counts by one column are right within {one:,.0f},")
        told.append(f"by a pair of the tree within {pair:,.0f} (95 %).")
        if one > COARSE * it.counted:
            told.append("That is much for so few: offer a larger epsilon, or name fewer columns.")
        told.append("Take findings from private questions.")
        if it.tokens:
            told.append(f"Random tokens: {_few(it.tokens)}.")
        if it.empty:
            told.append(f"Empty: {_few(it.empty)}.")
        return [" ".join(told)]


def _few(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _treated(reason: ColumnReason, rung: Rung) -> str:
    if reason.treatment is None:
        return "left out"
    return "private questions" if rung is Rung.DP else reason.treatment.label


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
