"""Asks the broker a private question and shapes what comes back.

Promises: only JSON leaves; an answer is a pandas frame with the key columns, then a value and a `_margin` column (the
half-width of a 95 % margin of error) for each thing asked; its `attrs` say what it cost.
"""

from __future__ import annotations

import datetime as dt
import decimal
import html
import json
import math
import re
import warnings
from typing import Any, Protocol

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.messages import Answer, Gauge, Handle, Query
from jupyter_secure.protocol.messages.asked import MOST_ROWS
from jupyter_secure.protocol.query import NEEDED

from .dp_budget import WHOSE, BudgetWarning, warning
from .dp_date import EPOCH
from .dp_drowning import drowns_below
from .step_up import asked


class Client(Protocol):
    """What this module needs of the kernel's client."""

    def request(self, message: Any, progress: Any = None) -> tuple[Any, int | None]:
        """Send one request; return the reply and its descriptor."""

    def open(self, reply: Any, fd: int) -> Any:
        """Open what a descriptor holds, as a pyarrow table."""


GUESSES, NEAR, MOST = 8, 0.97, 50.0


class DpSource:
    """One handle with the budget as it was last told; shared by all frames made from it."""

    def __init__(self, handle: Handle, client: Client) -> None:
        self.handle = handle
        self.gauges: tuple[Gauge, ...] = handle.gauges
        self._client = client
        self._warned: set[tuple[str, float]] = set()

    def ask(
        self,
        question: dict[str, Any] | str,
        epsilon: Any,
        *,
        preview: bool,
        rows: int | None = None,
        guess: bool = False,
    ) -> Any:
        """Return the answer, or for a preview its price, the margins to expect and how small a group drowns in them.

        Args:
            question: in the algebra.
            epsilon: what it may cost.
            preview: spend nothing.
            rows: of a preview, how large groups are about; margins of means depend on it.
            guess: nobody means to offer that epsilon, so nothing is said of the budget.
        """
        text = question if isinstance(question, str) else json.dumps(question, allow_nan=False)
        size = rows if preview else None
        purpose = self.handle.purpose
        message = Query(question=text, epsilon=decimal_text(epsilon), purpose=purpose, preview=preview, rows=size)
        reply, fd = asked(self._client, message)
        if not isinstance(reply, Answer):
            raise InvalidRequestError("The broker did not answer the question. Run the cell again.")
        self.gauges = reply.gauges or self.gauges
        if not guess:
            self._warn(reply.cost, preview=preview)
        frame = _forecast(reply, json.loads(text)) if fd is None else self._client.open(reply, fd).to_pandas()
        frame.attrs.update(dataset=reply.dataset, version=reply.version, epsilon=reply.cost, repeated=reply.repeated)
        frame.attrs["margins"] = reply.errors
        return frame

    def price_of(self, question: dict[str, Any] | str, margin: float, rows: int | None = None) -> str:
        """Return about the least epsilon for which every margin is at most `margin`; found by previews, for free.

        Margins shrink about as epsilon grows, so a few guesses come near from above.

        Raises:
            InvalidRequestError: no epsilon that can be offered makes them so small.
        """
        epsilon, best = float(self.handle.default_epsilon), None
        for _ in range(GUESSES):
            price = self.ask(question, _offer(epsilon), preview=True, rows=rows, guess=True)
            widest = float(price["margin"][~price["asked"].str.endswith(NEEDED)].max())
            if widest <= margin:
                best = epsilon if best is None else min(best, epsilon)
                if widest >= margin * NEAR or widest == 0:
                    break
            epsilon = min(epsilon * widest / margin * 1.005, MOST)
        if best is None:
            raise InvalidRequestError(
                f"No epsilon up to {MOST} makes the margin that small. Ask for less, or group less."
            )
        return _offer(best)

    def _warn(self, cost: str, *, preview: bool) -> None:
        for gauge in self.gauges:
            said = warning(gauge, cost, preview=preview, said=self._warned)
            if said:
                warnings.warn(said, BudgetWarning, stacklevel=5)

    def html(self) -> str:
        """Return what a notebook shows of the handle."""
        rows = "".join(
            f"<tr><td>{html.escape(column.name)}</td><td>{column.kind}</td><td>{html.escape(_range(column))}</td></tr>"
            for column in self.handle.columns
        )
        return (
            f"<p><b>{html.escape(self.handle.dataset)}</b>, version {self.handle.version}: answers with differential "
            f"privacy only.</p><table><thead><tr><th>column</th><th>kind</th><th>bounds or keys</th></tr></thead>"
            f"<tbody>{rows}</tbody></table><p>{'<br>'.join(map(html.escape, self.budget()))}</p>"
        )

    def budget(self) -> list[str]:
        """Return a sentence for each budget."""
        lines = []
        for gauge in self.gauges:
            whose = "Your budget" if gauge.scope == "person" else f"Budget ({WHOSE[gauge.scope]})"
            left = "" if gauge.remaining is None else f", left for one question: {gauge.remaining}"
            lines.append(f"{whose}: epsilon {gauge.cap} at delta {gauge.delta}{left}.")
        return [*lines, f"A question costs epsilon {self.handle.default_epsilon} unless you say `epsilon=`."]


class DpAsking:
    """A source with the condition under which its questions are put."""

    def __init__(
        self,
        source: DpSource,
        where: dict[str, Any] | None = None,
        *,
        preview: bool = False,
        margin: float | None = None,
        rows: int | None = None,
    ) -> None:
        self.source = source
        self.dataset = source.handle.dataset
        self.names = tuple(column.name for column in source.handle.columns)
        self.where = where
        self.preview = preview
        self.margin = margin
        self.rows = rows

    def put(self, aggs: list[dict[str, Any]], keys: list[dict[str, Any]], epsilon: Any, *, dry_run: bool) -> Any:
        """Ask for aggregates by keys."""
        question: dict[str, Any] = {"v": 1, "dataset": self.dataset, "aggs": aggs}
        if self.where is not None:
            question["where"] = self.where
        if keys:
            question["group_by"] = keys
        if self.margin is not None and epsilon is None:
            epsilon = self.source.price_of(question, self.margin, self.rows)
        return self.source.ask(question, epsilon, preview=dry_run or self.preview, rows=self.rows)

    def kind(self, name: str) -> str:
        """Return what kind of column a name is."""
        return next((column.kind for column in self.source.handle.columns if column.name == name), "")

    def check(self, name: Any) -> None:
        """Refuse a name that is no column.

        Raises:
            InvalidRequestError: it is none; the sentence lists those there are.
        """
        if name not in self.names:
            raise InvalidRequestError(f"There is no such column here. There are: {', '.join(self.names)}.")


def _offer(epsilon: float) -> str:
    # Four digits, rounded up: what is offered is never too little for the margin.
    places = max(0, min(9, 4 - math.ceil(math.log10(epsilon))))
    return format(decimal.Decimal(epsilon).quantize(decimal.Decimal(1).scaleb(-places), decimal.ROUND_CEILING), "f")


def absolute(margin: float | str, of: float | None) -> float:
    """Return a margin in the unit of what is asked, from one that may be a percentage.

    Raises:
        InvalidRequestError: it is neither a number above 0 nor a percentage of one.
    """
    text = str(margin).strip()
    percent = text.endswith("%")
    if percent and of is None:
        raise InvalidRequestError(
            f'Of what? Say about how large the answer will be, as in `within("{text[:20]}", of=20_000)`; an earlier '
            "answer tells it."
        )
    try:
        found = float(text.removesuffix("%")) * (abs(float(of)) / 100 if percent and of is not None else 1)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 < found < math.inf:
        raise InvalidRequestError('`margin` is a number above 0 in the unit of what is asked, or `"2%", of=20_000`.')
    return found


def size_of(rows: Any) -> int | None:
    """Return about how many rows a group has, as the person says.

    Raises:
        InvalidRequestError: it is no whole number above 0.
    """
    if rows is None:
        return None
    if isinstance(rows, bool) or not isinstance(rows, int | float) or not 1 <= rows <= MOST_ROWS:
        raise InvalidRequestError(f"`rows` is about how many rows a group has, from 1 to {MOST_ROWS:,}.")
    return int(rows)


def decimal_text(epsilon: Any) -> str | None:
    """Return epsilon as the decimal string that it was meant as; a float passes through its shortest digits.

    Raises:
        InvalidRequestError: it is no positive decimal number.
    """
    if epsilon is None:
        return None
    try:
        text = format(decimal.Decimal(str(epsilon)), "f")
    except decimal.InvalidOperation:
        text = ""
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,9})?", text):
        raise InvalidRequestError("`epsilon` is a positive number with at most nine decimals, such as 0.1.")
    return text


def _forecast(reply: Answer, question: dict[str, Any]) -> Any:
    import pandas as pd

    frame = pd.DataFrame({"asked": list(reply.errors), "margin": list(reply.errors.values()), "epsilon": reply.cost})
    small = drowns_below(reply.errors, question)
    if small:
        frame["drowns_below"] = frame["asked"].map(small)
    return frame


def _range(column: Any) -> str:
    if column.kind == "date":
        return " to ".join(str(EPOCH + dt.timedelta(days=int(end))) for end in (column.lower, column.upper))
    if column.kind == "number":
        return f"{column.lower:g} to {column.upper:g}"
    if column.kind == "open":
        return "not public: told where enough people share one"
    shown = ", ".join(column.keys[:12])
    return shown if len(column.keys) <= 12 else f"{shown}, and {len(column.keys) - 12} more"
