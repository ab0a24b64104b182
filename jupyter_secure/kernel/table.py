"""Small tables as text and as HTML; every cell is escaped, because names come from files and files from strangers."""

from __future__ import annotations

import html
from collections.abc import Sequence

Rows = Sequence[Sequence[str]]
_CELL = 'style="text-align:left"'  # notebooks align cells to the right by default


def as_html(heads: Sequence[str], rows: Rows, caption: str = "") -> str:
    """Return an HTML table."""
    top = f"<caption {_CELL}>{html.escape(caption)}</caption>" if caption else ""
    head = "".join(f'<th scope="col" {_CELL}>{html.escape(name)}</th>' for name in heads)
    body = "".join("<tr>" + "".join(f"<td {_CELL}>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{top}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def as_text(heads: Sequence[str], rows: Rows, caption: str = "") -> str:
    """Return the table in aligned columns; control characters are shown as `?`."""
    cells = [[_plain(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(([_plain(caption)] if caption else []) + lines)


def paragraphs(sentences: Sequence[str]) -> str:
    """Return sentences as HTML paragraphs."""
    return "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
