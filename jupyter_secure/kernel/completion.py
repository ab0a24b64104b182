"""Tab completion in the lines of our magics: datasets, columns, forms and purposes that the person may use.

Promises: the catalog is asked for at most once in `FRESH` seconds and never waited for longer than `PATIENCE`; a
broker that does not answer means no completions, not an error; other lines are left to IPython.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.messages import Catalog, CatalogReply, Offer

from .api import FRAMES, RUNGS, SYNTHETIC
from .client import CONNECTION

FRESH = 10.0
PATIENCE = 0.5
LINE = re.compile(r"%secure_(load|why|budget|request)[ \t]+(.*)$")
OPTIONS = {
    "load": ("--as", "--columns", "--purpose", "--frame", "--target", "--rows", "--epsilon", "--preview", "--quiet"),
    "why": ("--purpose",),
    "budget": (),
    "request": ("--as", "--purpose", "--reason", "--days"),
}
VALUED = {"--as", "--columns", "--purpose", "--frame", "--target", "--rows", "--epsilon", "--reason", "--days"}


class Offers:
    """What the catalog said last."""

    def __init__(self) -> None:
        self._offers: tuple[Offer, ...] = ()
        self._until = 0.0

    def get(self) -> tuple[Offer, ...]:
        """Return the offers, asking again when they are old."""
        now = time.monotonic()
        if now >= self._until:
            self._until = now + FRESH
            try:
                reply, _ = CONNECTION.client().request(Catalog(), timeout=PATIENCE)
            except SecureError:
                return self._offers
            if isinstance(reply, CatalogReply):
                self._offers = reply.offers
        return self._offers

    def forget(self) -> None:
        """Ask again next time."""
        self._until = 0.0


OFFERS = Offers()


@context_matcher(identifier="jupyter_secure")
def complete(context: CompletionContext) -> dict[str, Any]:
    """Answer IPython's completer."""
    found = LINE.search(context.text_until_cursor.rpartition("\n")[2])
    if found is None:
        return {"completions": []}
    fragment, choices = choose(found.group(1), found.group(2), OFFERS.get())
    fitting = [choice for choice in choices if choice.startswith(fragment)]
    return {
        "completions": [SimpleCompletion(text=choice, type="magic") for choice in fitting],
        "suppress": True,
        "matched_fragment": fragment,
        "ordered": True,
    }


def _rungs(offer: Offer | None, _: Sequence[Offer]) -> Iterable[str]:
    found = [rung.value for rung in offer.rungs] if offer else list(RUNGS)
    return [*found, SYNTHETIC] if "dp" in found else found


def _purposes(offer: Offer | None, offers: Sequence[Offer]) -> Iterable[str]:
    return offer.purposes if offer else sorted({name for each in offers for name in each.purposes})


VALUES: dict[str, Callable[[Offer | None, Sequence[Offer]], Iterable[str]]] = {
    "--as": _rungs,
    "--purpose": _purposes,
    "--frame": lambda _, __: FRAMES,
}


def choose(magic: str, rest: str, offers: Sequence[Offer]) -> tuple[str, Iterable[str]]:
    """Return the piece of the line that is being typed, and everything that could stand there."""
    words = rest.split()
    current = "" if not words or rest[-1].isspace() else words.pop()
    before = words[-1] if words else ""
    positional = _positional(words)
    offer = next((offer for offer in offers if positional and offer.dataset == positional.partition(".")[0]), None)
    if magic == "request" and before == "--as":
        return current, RUNGS  # what is asked for is not permitted yet
    if before in VALUES:
        return current, VALUES[before](offer, offers)
    if before == "--columns":
        return _column(current, offer)
    if current.startswith("-") or positional:
        return current, [option for option in OPTIONS[magic] if option not in words]
    if magic == "why" and "." in current:
        name = current.partition(".")[0]
        return current, [f"{name}.{column.name}" for each in offers if each.dataset == name for column in each.columns]
    return current, [each.dataset for each in offers]


def _positional(words: Sequence[str]) -> str | None:
    skip = False
    for word in words:
        if skip or word.startswith("--"):
            skip = not skip and word in VALUED
        else:
            return word
    return None


def _column(current: str, offer: Offer | None) -> tuple[str, Iterable[str]]:
    chosen, _, fragment = current.rpartition(",")
    if offer is None:
        return fragment, ()
    names = [
        column.name for column in offer.columns if column.treatment is not None and not re.search(r"[\s,]", column.name)
    ]
    return fragment, [name for name in names if name not in chosen.split(",")]


def install(shell: Any) -> None:
    """Add the matcher to a shell that does not have it yet."""
    if shell.Completer is not None and complete not in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.append(complete)


def uninstall(shell: Any) -> None:
    """Take the matcher out again."""
    if shell.Completer is not None and complete in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(complete)
