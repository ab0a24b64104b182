"""The outputs of a notebook as words: what a saved file would show of values, taken apart for comparing.

Covered: printed text, tables and other HTML, JSON and widget states, tracebacks, attachments that are text. Not
covered: pictures, other encodings (base64, reversed or split values), values of fewer than four characters.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SHORTEST, LONGEST = 4, 256
TAG = re.compile(r"<[^>]*>")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Words, and what stands between tags or wide gaps, because a name may have a blank in it.
WORD = re.compile(r"[^\s<>|,;:'\"()\[\]{}=]+")
GAP = re.compile(r"[\n\t|\x00]|\s{2,}")


@dataclass(frozen=True)
class Piece:
    """One thing of a notebook that can be taken out: an output of a cell, its attachments, the widgets' state.

    Attributes:
        cell: number of the cell, -1 for the notebook's own metadata.
        place: number of the output, -1 for attachments.
    """

    cell: int
    place: int
    content: Any = field(compare=False)

    @property
    def digest(self) -> str:
        """Return the identity of its content."""
        return hashlib.sha256(json.dumps(self.content, sort_keys=True).encode()).hexdigest()


def pieces(notebook: Any) -> list[Piece]:
    """Return everything of a notebook that may show values; of what is no notebook, nothing."""
    if not isinstance(notebook, dict):
        return []
    found = []
    cells = notebook.get("cells")
    for number, cell in enumerate(cells if isinstance(cells, list) else []):
        if isinstance(cell, dict):
            outputs = cell.get("outputs")
            found += [Piece(number, place, it) for place, it in enumerate(outputs if isinstance(outputs, list) else [])]
            if cell.get("attachments"):
                found.append(Piece(number, -1, cell["attachments"]))
    widgets = notebook.get("metadata", {}).get("widgets") if isinstance(notebook.get("metadata"), dict) else None
    return [*found, Piece(-1, -1, widgets)] if widgets else found


def words(content: Any) -> set[str]:
    """Return what a piece shows, as words and as longer segments."""
    found: set[str] = set()
    for text in _texts(content):
        plain = html.unescape(TAG.sub("\x00", ANSI.sub("", text)))
        found.update(WORD.findall(plain))
        found.update(segment.strip(" '\"") for segment in GAP.split(plain))
    return {word for word in found if SHORTEST <= len(word) <= LONGEST}


def _texts(content: Any) -> Iterator[str]:
    waiting = [content]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            # A picture is no text, and its base64 would be thousands of words.
            waiting.extend(value for key, value in item.items() if not str(key).startswith(("image/png", "image/jpeg")))
        elif isinstance(item, list):
            waiting.extend(["".join(item)] if item and all(isinstance(it, str) for it in item) else item)
        elif isinstance(item, str):
            yield item
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield repr(item)


def without(notebook: dict[str, Any], taken: dict[Piece, str]) -> None:
    """Take pieces out of a notebook; an output leaves a sentence in its place."""
    for piece, sentence in taken.items():
        if piece.cell < 0:
            notebook["metadata"].pop("widgets", None)
        elif piece.place < 0:
            notebook["cells"][piece.cell].pop("attachments", None)
        else:
            notebook["cells"][piece.cell]["outputs"][piece.place] = {
                "output_type": "stream", "name": "stderr", "text": sentence + "\n"
            }  # fmt: skip
