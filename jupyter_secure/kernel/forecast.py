"""What a `%%secure_sql` cell would cost, told to the sidebar before anybody runs it.

JupyterLab opens a comm with the text of a cell, and what is known closes it again. It does so on a subshell, so neither
waits for the other: the cell that runs just now, and this. Promises: nothing is spent, nothing of the notebook is run
or put into the line, nobody is asked for a second factor, nothing but a preview is asked of the broker; what cannot be
told is an error of the family, by its sentence.

Steps of `forecast`: the options, a dataset that the person may question now, SQL into a question, the broker's preview.
"""

from __future__ import annotations

import json
import math
import re
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from IPython.core.error import UsageError

from jupyter_secure.protocol.errors import InvalidRequestError, RefusedError, SecureError, UnavailableError
from jupyter_secure.protocol.messages import Answer, Catalog, CatalogReply, ColumnOffer, Gauge, Query
from jupyter_secure.protocol.query import NEEDED
from jupyter_secure.protocol.view import Rung

from .client import CONNECTION
from .dp_drowning import drowns_below
from .dp_source import decimal_text
from .magics import SecureMagics

TARGET = "jupyter_secure.forecast"
CELL = re.compile(r"%%secure_sql(?:[ \t]+(.*))?\Z")
LONGEST = 20_000  # characters of a cell
PATIENCE = 5.0  # seconds for each of two requests; a load may be under way
VARIABLE = "The line names a variable, whose value is known when the cell runs. `--dry-run` tells the price then."


def install(shell: Any) -> None:
    """Answer JupyterLab; a shell that is no kernel's has nobody to answer."""
    manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
    if manager is not None:
        manager.register_target(TARGET, opened)


def uninstall(shell: Any) -> None:
    """Answer no longer."""
    manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
    if manager is not None and manager.targets.get(TARGET) is opened:
        manager.unregister_target(TARGET, opened)


def opened(comm: Any, message: dict[str, Any]) -> None:
    """Answer one cell, and close the comm with it."""
    cell = message["content"]["data"].get("cell")
    try:
        data = forecast(cell if isinstance(cell, str) else "")
    except SecureError as error:
        data = {"fault": {"code": error.code, "public": error.public}}
    comm.close(data=data)


def forecast(cell: str) -> dict[str, Any]:
    """Return price, margins, how small a group drowns in them, and what is left of the budgets.

    Raises:
        InvalidRequestError: it is no such cell, or cannot be told before it runs.
        RefusedError: private questions of that dataset are not permitted just now, or there is no such dataset.
        SecureError: what the broker answered.
    """
    try:
        from . import sql
    except ImportError:
        raise InvalidRequestError("SQL needs sqlglot: install `jupyter-secure[sql]`.") from None
    options, statement = _options(cell)
    columns = _columns(sql.dataset_of(statement))
    dates = [column.name for column in columns if column.type.startswith(("date", "timestamp"))]
    question = sql.translate(statement, [column.name for column in columns], dates)
    text, epsilon = json.dumps(question, allow_nan=False), decimal_text(options.epsilon)
    reply = _ask(Query(question=text, epsilon=epsilon, purpose=options.purpose, preview=True), Answer)
    return _told(reply, question)


def _options(cell: str) -> tuple[Namespace, str]:
    line, _, statement = cell.lstrip().partition("\n")
    found = CELL.match(line.rstrip())
    if found is None or len(cell) > LONGEST:
        raise InvalidRequestError(
            f"A price is told of a cell that begins with `%%secure_sql`, up to {LONGEST} characters."
        )
    options = found.group(1) or ""
    if re.search(r"[${]", options):
        raise InvalidRequestError(VARIABLE)
    try:
        return SecureMagics.secure_sql.parser.parse_argstring(options), statement
    except UsageError as error:
        raise InvalidRequestError(f"The options of the line are not well formed: {error}") from None


def _columns(dataset: str) -> Sequence[ColumnOffer]:
    # Not by a handle: loading one stands in the log as a load, and asks for a second factor where one is missing.
    offers = _ask(Catalog(), CatalogReply).offers
    offer = next((each for each in offers if each.dataset == dataset and Rung.DP in each.rungs), None)
    if offer is None:
        raise RefusedError
    return offer.columns


def _ask(message: Any, expected: type[Any]) -> Any:
    reply, _ = CONNECTION.client().request(message, timeout=PATIENCE)
    if not isinstance(reply, expected):
        raise UnavailableError(detail=f"{type(message).__name__} was answered by {type(reply).__name__}")
    return reply


def _told(reply: Answer, question: dict[str, Any]) -> dict[str, Any]:
    small = drowns_below(reply.errors, question)
    return {
        "dataset": reply.dataset,
        "cost": reply.cost,
        "asked": [
            {"name": name, "margin": margin, "drowns_below": small.get(name)}
            for name, margin in reply.errors.items()
            if not name.endswith(NEEDED)
        ],
        "needed": next((math.ceil(people) for name, people in reply.errors.items() if name.endswith(NEEDED)), None),
        "left": [_left(gauge) for gauge in reply.gauges],
    }


def _left(gauge: Gauge) -> dict[str, Any]:
    return {
        "scope": gauge.scope,
        "cap": gauge.cap,
        "spent": gauge.spent,
        "remaining": gauge.remaining,
        "delta": gauge.delta,
    }
